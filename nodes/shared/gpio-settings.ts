import { type GpioChip, openChip } from '@holdfast/hardware/gpio';
import { NodeError } from './node-error.ts';
import type { NodeConfig, NodeRed } from './node-red.ts';

/** What both GPIO nodes save. */
export interface GpioConfig extends NodeConfig {
  /** URI of the chip, see docs/gpio.md. */
  readonly chip?: string;
  /** Number or name of the line. */
  readonly line?: string | number;
}

/** The chip that a node names. @throws GpioError */
export type OpenChip = (uri: string) => GpioChip;

/** Opens chips as this Node-RED's settings say; on a box they may name its board. */
export function chipOpener(RED: NodeRed): OpenChip {
  const board = RED.settings.holdfast?.board;
  return (uri) => openChip(uri, { board });
}

/** Chip and line of a node. @throws NodeError `bad-settings` */
export function lineSettings({ chip = 'auto:', line = '' }: GpioConfig): { chip: string; line: string } {
  const text = String(line).trim();
  if (text === '') throw new NodeError('bad-settings', 'no line is chosen: open the node and choose a pin');
  return { chip: String(chip).trim() || 'auto:', line: text };
}

/** A number within limits, from what a dialog saved. @throws NodeError `bad-settings` */
export function numberSetting(
  name: string,
  value: unknown,
  limits: { min: number; max: number; otherwise: number },
): number {
  if (value === undefined || value === null || value === '') return limits.otherwise;
  const number = Number(value);
  if (number >= limits.min && number <= limits.max) return number;
  throw new NodeError('bad-settings', `${name} must be a number from ${limits.min} to ${limits.max}`);
}

/** One of some words. @throws NodeError `bad-settings` */
export function choiceSetting<T extends string>(name: string, value: unknown, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === String(value ?? choices[0]));
  if (found !== undefined) return found;
  throw new NodeError('bad-settings', `${name} must be one of ${choices.join(', ')}`);
}

/** How a node is called when another one wants its line. */
export function ownerName({ type, id, name }: NodeConfig): string {
  const kind = type.replace('holdfast-', '').replace('-', ' ');
  return name ? `${kind} "${name}"` : `${kind} ${id}`;
}

/** The key of the catalogue for what is wrong. */
export function statusKey(prefix: string, { code }: { code: string }): string {
  return `${prefix}.status.${known.has(code) ? code : 'failed'}`;
}

const known = new Set([
  'no-gpio',
  'driver-missing',
  'denied',
  'no-such-line',
  'busy',
  'unsupported',
  'lost',
  'invalid-settings',
  'bad-settings',
]);
