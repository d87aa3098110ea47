/** What machines have counted. Every report is sent, then acknowledged and replied to, however often it was repeated. */
export interface Figures {
  /** Reports that were sent, each counted once. */
  sent: number;
  /** Of these, acknowledged: PUBACK, HTTP 202 or 400, or RabbitMQ's confirm. */
  acknowledged: number;
  /** Of these, answered with a right reply. */
  replied: number;
  /** Times that a report was sent again: no answer in time, or the connection was lost. */
  repeated: number;
  /** Replies to an earlier copy of a report that another copy has had answered. */
  late: number;
  /** Wrong replies, replies to nothing, and reports without an answer after all tries. */
  wrong: number;
  /** Reports without an answer when the machine was stopped. */
  unanswered: number;
  /** Connections that were lost or could not be made. */
  connectionsLost: number;
  /** Questions whether a machine may print, each counted once, however often it was sent. */
  asked: number;
  /** Of these, granted; by whom, centre or lease, a machine is not told. */
  granted: number;
  /** Of these, answered with a refusal. */
  denied: number;
  /** Of these, not answered in four sends. */
  unheard: number;
}

/** New figures, all 0. */
export const createFigures = (): Figures => ({
  sent: 0,
  acknowledged: 0,
  replied: 0,
  repeated: 0,
  late: 0,
  wrong: 0,
  unanswered: 0,
  connectionsLost: 0,
  asked: 0,
  granted: 0,
  denied: 0,
  unheard: 0,
});
