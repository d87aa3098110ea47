import type { HoldfastError } from '../../src/errors.ts';
import type { OutgoingReport, Receipt, TransportListener } from '../../src/uplink/transport.ts';
import { until } from './until.ts';

/** Keeps all that a transport says, in the order in which it says it. */
export class RecordingListener implements TransportListener {
  connected = 0;
  readonly disconnects: HoldfastError[] = [];
  readonly confirmed: string[] = [];
  readonly rejected: { readonly messageId: string; readonly error: HoldfastError }[] = [];
  readonly receipts: Receipt[] = [];
  readonly controls: string[] = [];
  /** How many pushes had come at each `onControlDrained`. */
  readonly drained: number[] = [];
  drains = 0;
  /** What `onControl` waits for. */
  control: () => Promise<void> = async () => {};

  onConnected(): void {
    this.connected++;
  }
  onDisconnected(error: HoldfastError): void {
    this.disconnects.push(error);
  }
  onConfirmed(messageId: string): void {
    this.confirmed.push(messageId);
  }
  onRejected(messageId: string, error: HoldfastError): void {
    this.rejected.push({ messageId, error });
  }
  onReceipt(receipt: Receipt): void {
    this.receipts.push(receipt);
  }
  async onControl(body: Buffer): Promise<void> {
    this.controls.push(body.toString());
    await this.control();
  }
  onControlDrained(): void {
    this.drained.push(this.controls.length);
  }
  onDrain(): void {
    this.drains++;
  }

  /** Resolves when the link has come up `times` times. */
  up(times = 1): Promise<void> {
    return until(() => this.connected >= times, `connected ${times} times`, 30_000);
  }
}

/** A report of machine SN1 on the process channel; `over` replaces what matters to the test. */
export function exampleReport(sequence: number, over: Partial<OutgoingReport> = {}): OutgoingReport {
  return {
    messageId: `gw-test-00000000000000ab-${sequence}`,
    channel: 'device_process_info',
    serial: 'SN1',
    body: Buffer.from(`{"序列号":"SN1","n":${sequence}}`),
    sequence,
    previous: sequence > 1 ? sequence - 1 : undefined,
    acceptedAtMs: 1_700_000_000_123,
    clockTrusted: true,
    ...over,
  };
}
