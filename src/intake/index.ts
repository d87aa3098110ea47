export { type AcceptedReport, MachineIntake } from './intake.ts';
export type { Authority, Channel, Delivery, Intake, IntakeAnswer, Permission, Reply } from './types.ts';
