/**
 * The editor's server. Its port is a matter of its own: when it is taken the flows run all the same, and it is tried
 * again every half minute.
 */
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Clock, Timer } from '../../platform/clock.ts';
import type { EditorListen, TlsMaterial } from '../protocol.ts';
import { EditorAuth } from './editor-auth.ts';
import { type EditorApi, type Express, type Handler, loadEditorApi, loadExpress, type Runtime } from './node-red.ts';
import type { Parent } from './parent.ts';

const retryMs = 30_000;
const recheckMs = 3000;

export interface EditorOptions {
  readonly listen: EditorListen;
  readonly mayInstall: boolean;
  /** Where nodes that answer HTTP stand; false without any. */
  readonly httpNodeRoot: string | false;
  readonly parent: Parent;
  readonly clock: Clock;
}

export class Editor {
  readonly #options: EditorOptions;
  readonly #auth: EditorAuth;
  readonly #app: Express = loadExpress()();
  readonly #api: EditorApi = loadEditorApi();
  readonly #server: Server | HttpsServer;
  /** Pages that listen for news of the flows. */
  readonly #pages = new Set<Socket>();
  readonly #timers: Timer[] = [];
  #hasFailed = false;

  constructor(options: EditorOptions) {
    this.#options = options;
    this.#auth = new EditorAuth(options);
    const { tls } = options.listen;
    this.#server =
      tls === undefined
        ? createHttpServer(this.#app)
        : createHttpsServer({ cert: tls.certificate, key: tls.key, minVersion: 'TLSv1.2' }, this.#app);
    this.#app.disable('x-powered-by');
  }

  /** What Node-RED's settings have to say about it. */
  get settings(): object {
    const { listen, mayInstall, httpNodeRoot } = this.#options;
    return {
      httpAdminRoot: '/',
      httpNodeRoot,
      adminAuth: this.#auth.settings,
      disableEditor: false,
      // What an integrator came for stands where it is seen.
      paletteCategories: ['subflows', 'common', 'Holdfast', 'function', 'network', 'sequence', 'parser', 'storage'],
      editorTheme: {
        page: { title: listen.title },
        header: { title: listen.title },
        tours: false,
        projects: { enabled: false },
        palette: mayInstall ? {} : { catalogues: [] },
      },
    };
  }

  get server(): Server | HttpsServer {
    return this.#server;
  }

  get api(): EditorApi {
    return this.#api;
  }

  /** Puts the parts together; Node-RED's modules are initialized with the same settings by then. */
  attach(settings: object, runtime: Runtime): void {
    const { httpNodeRoot } = this.#options;
    this.#api.init(settings, this.#server as Server, runtime.storage, runtime);
    this.#api.httpAdmin.use(runtime.httpAdmin);
    if (httpNodeRoot !== false) this.#app.use(httpNodeRoot, runtime.httpNode);
    const guard = (request: IncomingMessage, response: ServerResponse, next: () => void) => {
      this.#strictHeaders(response);
      this.#auth.handle(request, response, next);
    };
    this.#app.use(guard as unknown as Handler);
    this.#app.use('/', this.#api.httpAdmin);
  }

  async start(): Promise<void> {
    const { clock, parent } = this.#options;
    await this.#api.start();
    this.#server.on('upgrade', (_request: unknown, socket: Socket) => {
      this.#pages.add(socket);
      socket.once('close', () => this.#pages.delete(socket));
    });
    this.#server.on('listening', () => {
      this.#hasFailed = false;
      parent.tell({ kind: 'editor', port: (this.#server.address() as AddressInfo).port });
    });
    this.#server.on('error', (error: NodeJS.ErrnoException) => {
      if (!this.#hasFailed) parent.tell({ kind: 'editor-failed', code: error.code ?? '', text: error.message });
      this.#hasFailed = true;
      this.#timers.push(clock.after(retryMs, () => this.#listen()));
    });
    // A page that is open goes on hearing of the flows by itself; it has to log in again when a session has ended.
    this.#timers.push(clock.every(recheckMs, () => void this.#recheck()));
    this.#listen();
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers.splice(0)) timer.cancel();
    await this.#api.stop();
    this.#server.close();
    for (const socket of this.#pages) socket.destroy();
    this.#server.closeAllConnections();
  }

  setCertificate({ certificate, key }: TlsMaterial): void {
    if ('setSecureContext' in this.#server) this.#server.setSecureContext({ cert: certificate, key });
  }

  #listen(): void {
    const { host, port } = this.#options.listen;
    this.#server.listen(port, host);
  }

  async #recheck(): Promise<void> {
    if (this.#pages.size > 0 && (await this.#auth.hasEnded())) for (const socket of this.#pages) socket.destroy();
  }

  /** The editor builds code out of text, so scripts cannot be limited further; what it may reach can. */
  #strictHeaders(response: ServerResponse): void {
    const elsewhere = this.#options.mayInstall ? ' https:' : '';
    response.setHeader(
      'Content-Security-Policy',
      `default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; connect-src 'self' ws: wss:${elsewhere}; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'`,
    );
    response.setHeader('X-Frame-Options', 'DENY');
    response.setHeader('X-Content-Type-Options', 'nosniff');
    response.setHeader('Referrer-Policy', 'no-referrer');
    response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
    response.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
  }
}
