import { HoldfastError } from '../errors.ts';
import { systemClock } from '../platform/index.ts';
import { doorSchemes, type Figures, Site } from '../simulate/index.ts';
import type { Command, CommandContext } from './command.ts';

const tellEveryMs = 1000;
/** What is under way at the end may still be answered: one timeout and a bit. */
const graceMs = 4000;
const toldProblems = 10;

/** `holdfast simulate`: machines that are none. */
export const command: Command = {
  summary: 'Simulates printers that report, and checks every answer',
  usage: '[--url URL] [--machines N] [--seconds N | --count N]',
  options: {
    url: { type: 'string', value: 'URL', description: `where to: ${doorSchemes.join(', ')} (mqtt://127.0.0.1:1883)` },
    machines: { type: 'string', value: 'N', description: 'how many machines (3)' },
    speed: { type: 'string', value: 'N', description: 'times faster than real machines; 0 = without pauses (60)' },
    layers: { type: 'string', value: 'N', description: 'layers of a job (20)' },
    'serial-prefix': { type: 'string', value: 'TEXT', description: 'machines are called TEXT0001, TEXT0002, … (sim-)' },
    user: { type: 'string', value: 'NAME', description: "one user for all (each machine's own serial number)" },
    password: { type: 'string', value: 'TEXT', description: 'password; better in the variable SIMULATE_PASSWORD' },
    authorize: { type: 'boolean', description: 'machines ask before each job whether they may print' },
    inflight: { type: 'string', value: 'N', description: 'reports under way per machine and channel (1)' },
    count: { type: 'string', value: 'N', description: 'ends after so many reports' },
    seconds: { type: 'string', value: 'N', description: 'ends after so many seconds' },
    seed: { type: 'string', value: 'N', description: 'the same number makes the same lives (drawn, and printed)' },
    timezone: { type: 'string', value: 'NAME', description: 'of the times in the reports (Asia/Shanghai)' },
    json: { type: 'boolean', description: 'figures as JSON, one object a line' },
    quiet: { type: 'boolean', description: 'only the totals at the end' },
  },
  details: [
    'The machines are switched on, initialize, report what they are, preheat, spread and print layer after layer; now and',
    'then one pauses, has an error or gives up. Over mqtt and http they talk to a gateway, over amqp to the RabbitMQ of',
    'the centre, as machines without a gateway do. A report without an answer is sent again, byte for byte.',
    '',
    'sent, acknowledged and replied count reports; repeated counts the sends beyond the first; wrong counts wrong replies',
    'and reports that nobody answered in four sends. Exit code 1 when anything was wrong or stayed without an answer.',
    'With --authorize a machine that is refused, or not answered in four sends, does not print and asks again later;',
    'asked = granted + denied + unheard. Whether centre or lease has granted, a machine is not told.',
    'Without pauses (--speed 0) the times in the reports run ahead of the clock, so give the next run another prefix.',
    'A private authority for mqtts, https and amqps is given in the variable NODE_EXTRA_CA_CERTS.',
  ].join('\n'),
  async run(context) {
    if (context.words.length > 0) throw new HoldfastError('usage', `simulate takes no words: ${context.words[0]}`);
    const clock = systemClock();
    const stopping = context.stopSignal();
    const seconds = context.numberOption('seconds', { least: 1, most: 31_536_000 });
    const tell = teller(context);
    const site = createSite(context, clock);

    const startedMs = clock.monotonicMs();
    const passedMs = () => clock.monotonicMs() - startedMs;
    let ended = false;
    site.start();
    site.ended().then(() => {
      ended = true;
    });
    let nextMs = tellEveryMs;
    let before = site.figures;
    while (!ended && !stopping.aborted && (seconds === undefined || passedMs() < seconds * 1000)) {
      await clock.sleep(50);
      if (passedMs() < nextMs) continue;
      const figures = site.figures;
      if (!context.flag('quiet')) tell(figures, nextMs / 1000, figures.replied - before.replied, site.connected);
      before = figures;
      nextMs += tellEveryMs;
    }
    const connected = site.connected;
    let stopped = false;
    const stop = site.stop(graceMs).finally(() => {
      stopped = true;
    });
    // Nothing else may be keeping this process alive meanwhile.
    while (!stopped) await clock.sleep(20);
    await stop;
    const { figures } = site;
    const whole = Math.max(0.001, passedMs() / 1000);
    tell(figures, whole, figures.replied / whole, connected, true);
    if (figures.replied === 0) context.printError('holdfast: not one report was answered');
    return figures.wrong > 0 || figures.unanswered > 0 || figures.replied === 0 ? 1 : 0;
  },
};

function createSite(context: CommandContext, clock: ReturnType<typeof systemClock>): Site {
  const number = (name: string, least: number, most: number, fallback: number) =>
    context.numberOption(name, { least, most }) ?? fallback;
  const seed = number('seed', 0, 2 ** 32 - 1, Math.floor(Math.random() * 2 ** 32));
  let told = 0;
  let lastLoss = '';
  const site = new Site({
    url: context.option('url') ?? 'mqtt://127.0.0.1:1883',
    machines: number('machines', 1, 10_000, 3),
    speed: number('speed', 0, 1_000_000, 60),
    layers: number('layers', 1, 1_000_000, 20),
    authorize: context.flag('authorize'),
    inflight: number('inflight', 1, 1000, 1),
    serialPrefix: context.option('serial-prefix') ?? 'sim-',
    username: context.option('user'),
    password: context.option('password') ?? (context.environment.SIMULATE_PASSWORD || undefined),
    count: context.numberOption('count', { least: 1, most: 2 ** 48 }),
    seed,
    timezone: context.option('timezone') ?? 'Asia/Shanghai',
    clock,
    onWrong: (sentence) => {
      if (++told <= toldProblems) context.printError(`wrong: ${sentence}`);
      if (told === toldProblems) context.printError('wrong: what else is wrong is only counted');
    },
    onLost: (error) => {
      const sentence = error.message || String((error as NodeJS.ErrnoException).code ?? error.name);
      if (sentence !== lastLoss) context.printError(`connection: ${sentence}; trying again`);
      lastLoss = sentence;
    },
  });
  context.printError(`seed ${seed}`);
  return site;
}

/** Prints figures as the options say. */
function teller(context: CommandContext) {
  return (figures: Figures, seconds: number, perSecond: number, connected: number, isTotal = false): void => {
    const rounded = Math.round(seconds * 10) / 10;
    const rate = Math.round(perSecond * 10) / 10;
    if (context.flag('json')) {
      context.print(JSON.stringify({ ...(isTotal && { total: true }), seconds: rounded, connected, ...figures, rate }));
      return;
    }
    const { sent, acknowledged, replied, repeated, late, wrong, unanswered, asked, granted, denied, unheard } = figures;
    context.print(
      [
        isTotal ? `total ${rounded} s` : `${rounded} s`.padStart(8),
        `connected ${connected}`,
        `sent ${sent}`,
        `acknowledged ${acknowledged}`,
        `replied ${replied} (${rate}/s)`,
        `repeated ${repeated}`,
        ...(late > 0 ? [`late ${late}`] : []),
        `wrong ${wrong}`,
        ...(asked > 0 ? [`asked ${asked}: granted ${granted}, denied ${denied}, unheard ${unheard}`] : []),
        ...(unanswered > 0 ? [`unanswered ${unanswered}`] : []),
      ].join('  '),
    );
  };
}
