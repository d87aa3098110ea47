export { MachineIntake } from './intake.ts';
export type { Channel, Delivery, Intake, IntakeAnswer } from './types.ts';
