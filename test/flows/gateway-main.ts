/**
 * `holdfast gateway` with other limits for its flow engine: `CONFIG DATA LIMITS`, the last as JSON. It can be killed as the
 * real one is; SIGTERM ends it in order.
 */
import { loadConfig } from '../../src/config/index.ts';
import { Gateway } from '../../src/gateway.ts';
import { createLogger, systemClock } from '../../src/platform/index.ts';

const [file, dataFolder, limits] = process.argv.slice(2) as [string, string, string];
const { config } = loadConfig({ file, environment: {} });
const gateway = new Gateway({
  config,
  dataFolder,
  clock: systemClock(),
  logger: createLogger(config.log.level),
  flowLimits: JSON.parse(limits),
});
process.once('SIGTERM', () => void gateway.stop().then(() => process.exit(0)));
await gateway.start();
