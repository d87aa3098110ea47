/**
 * Enrolment: a new box gets its id, its way to the centre and the centre's key with a one-time code.
 *
 * The code has two halves. The box shows the first to the centre, which answers the settings that are kept for it; they
 * are encrypted, and only the second half, which never leaves the box, opens them. So neither a dump of the database nor
 * somebody who reads along learns a password, and what was not made with the code is noticed.
 */
export { centreUrl, readFingerprint, type Trust } from './centre.ts';
export { drawCode, type EnrolmentCode, formatCode, lookupHash, parseCode } from './code.ts';
export { type BoxState, type Enrolled, type EnrolOptions, enrolBox } from './enrol-box.ts';
export {
  type Enrolment,
  enrolmentFileNames,
  finishEnrolment,
  readUpstream,
  stageEnrolment,
} from './enrolment-files.ts';
export {
  type EnrolmentAnswer,
  type EnrolmentRefusal,
  type EnrolmentRequest,
  newBoxKey,
  readAnswer,
  readRequest,
  signAnswer,
  signRequest,
} from './messages.ts';
export {
  type EnrolmentSettings,
  openSettings,
  readSettings,
  sealSettings,
  type UpstreamSettings,
} from './settings.ts';
export { chooseUpstream, type Upstream } from './upstream-source.ts';
