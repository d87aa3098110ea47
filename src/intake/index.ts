export { type AcceptedReport, MachineIntake } from './intake.ts';
export type { Authority, Channel, Delivery, Intake, IntakeAnswer, Reply } from './types.ts';
