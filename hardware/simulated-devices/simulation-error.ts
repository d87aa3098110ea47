/** What was asked of a simulated device cannot be done; the message says what can. */
export class SimulationError extends Error {
  override readonly name = 'SimulationError';
}
