import { encodeMessage } from '../../../src/protocols/machines/index.ts';

/**
 * A valid report of about `bytes` bytes. Ten digits at `at` are its layer number: written anew for each report, so that
 * every one is different, as those of a machine are, and none counts as a repeat.
 */
export function sampleReport(serial: string, bytes: number): { readonly body: Buffer; readonly at: number } {
  const mark = 1_234_567_890;
  const make = (padding: number) =>
    encodeMessage('process', {
      serial,
      time: '2024-03-18 15:30:45',
      model: 'P440',
      name: '1'.padEnd(padding, 'x'),
      address: '2',
      state: 'printing',
      printStart: '2024-03-18 15:30:45',
      printEnd: '2024-03-18 15:30:45',
      printMinutes: 60,
      printLayers: 3600,
      currentLayer: mark,
      currentLayerArea: 360,
    });
  const body = make(Math.max(1, bytes - make(0).length + 1));
  return { body, at: body.indexOf(String(mark)) };
}

/** The first layer number; with so many reports following, it keeps its ten digits. */
export const firstLayer = 1_000_000_000;
