import { describeError } from '../../errors.ts';
import type { DeviceAnswer, DeviceRequest } from '../protocol.ts';

/** Drives the simulated devices that the nodes of this process use. Never rejects. */
export async function answerAboutDevices(request: DeviceRequest): Promise<DeviceAnswer> {
  try {
    const { controlSimulated, listSimulated } = await import('@holdfast/hardware/simulated-devices');
    if (request.action === 'list') return { items: listSimulated() };
    const { device, verb, values } = request;
    return { items: [{ device, result: controlSimulated({ device, action: verb, values }) }] };
  } catch (error) {
    return { error: describeError(error) };
  }
}
