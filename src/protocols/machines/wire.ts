/**
 * The words of the machines' protocol (contracts/machines.md, seed 000): the only place with its Chinese keys and enum
 * words. The English domain types are inferred from the field tables below, so a key is named once.
 *
 * Invariants: a table's property is the English name, `key` the wire's; `required` is what the contract calls 必填.
 * Failure behaviour: none, this file is data; `validate.ts` reads it strictly, `codec.ts` turns it into domain objects.
 */

/**
 * What a value must be. `serial`: `[A-Za-z0-9_-]{1,64}`. `text`: a string, not empty where required. `quantity`: a
 * finite decimal number ≥ 0, or a string of one; `signed`: the same with any sign. `time`: `YYYY-MM-DD HH:mm:ss` in
 * site time, one-digit fields allowed. `asked`: "1" or 1.
 */
export type FieldKind = 'serial' | 'text' | 'quantity' | 'signed' | 'time' | 'asked';

/** One key of a message. */
export interface Field {
  readonly key: string;
  readonly kind: FieldKind;
  readonly required: boolean;
}

/** The fields of one message, by English name. */
export type FieldTable = Readonly<Record<string, Field>>;

type ValueOf<Kind extends FieldKind> = Kind extends 'quantity' | 'signed' ? number : string;
type Present<Table extends FieldTable> = {
  readonly [Name in keyof Table as Table[Name]['required'] extends true ? Name : never]: ValueOf<Table[Name]['kind']>;
};
type Perhaps<Table extends FieldTable> = {
  readonly [Name in keyof Table as Table[Name]['required'] extends true ? never : Name]?: ValueOf<Table[Name]['kind']>;
};

/** The domain type of a field table: English names, numbers for quantities, strings for the rest. */
export type MessageOf<Table extends FieldTable> = Present<Table> & Perhaps<Table>;

const required = <Kind extends FieldKind>(key: string, kind: Kind) => ({ key, kind, required: true }) as const;
const optional = <Kind extends FieldKind>(key: string, kind: Kind) => ({ key, kind, required: false }) as const;

const common = {
  serial: required('序列号', 'serial'),
  time: required('报文时间', 'time'),
  model: required('机器型号', 'text'),
  name: required('机器名称', 'text'),
  address: required('地址', 'text'),
};

/** Base information, sent once at each start of the operation software. */
export const baseFields = {
  ...common,
  customer: required('客户名称', 'text'),
  controlBoardVersion: optional('控制卡硬件版本', 'text'),
  motorType: optional('电机类型', 'text'),
  scannerType: optional('振镜类型', 'text'),
  laserType: optional('激光类型', 'text'),
  softwareVersion: optional('操作软件版本', 'text'),
  controllerVersion: optional('主控卡软件版本', 'text'),
  analogBoardVersion: optional('模拟卡软件版本', 'text'),
};

/** A step of the machine's work. What a state requires beyond the common fields stands in `states`. */
export const processFields = {
  ...common,
  state: required('设备状态', 'text'),
  startedAt: optional('开机时间', 'time'),
  poweredAt: optional('上电时间', 'time'),
  /** Minutes: the setting while preheating, the actual time once done. */
  preheatMinutes: optional('预热时长', 'quantity'),
  preheatCelsius: optional('预热温度', 'signed'),
  spreadLayers: optional('刮粉层数', 'quantity'),
  spreadMinutes: optional('刮粉时长', 'quantity'),
  printStart: optional('打印开始时间', 'time'),
  printEnd: optional('打印结束时间', 'time'),
  /** Minutes of the layer in `printing`, of the job in `printed`. */
  printMinutes: optional('打印时长', 'quantity'),
  printLayers: optional('打印层数', 'quantity'),
  currentLayer: optional('当前层号', 'quantity'),
  /** Square millimetres. */
  currentLayerArea: optional('当前层打印面积', 'quantity'),
  currentLayerSeconds: optional('当前层打印时间', 'quantity'),
};

/** Something went wrong in the machine. */
export const errorFields = {
  ...common,
  level: required('异常等级', 'text'),
  description: required('异常描述', 'text'),
};

/** May the machine print? Carries no time. */
export const authorizationFields = {
  serial: common.serial,
  model: common.model,
  name: common.name,
  address: common.address,
  customer: baseFields.customer,
  asked: required('查询授权', 'asked'),
};

/** The messages of machines, by kind. */
export const messageFields = {
  base: baseFields,
  process: processFields,
  error: errorFields,
  authorization: authorizationFields,
};

/** A state's wire word, the fields it requires beyond the common ones, and those that are checked when present. */
interface StateRule {
  readonly word: string;
  readonly needs?: readonly (keyof typeof processFields)[];
  readonly allows?: readonly (keyof typeof processFields)[];
}

/** The states of a machine. A word that is not here is accepted with the common fields and counted. */
export const states = {
  started: { word: '开机', needs: ['startedAt'] },
  initialized: { word: '初始化成功', needs: ['poweredAt'] },
  initializationFailed: { word: '初始化失败', needs: ['poweredAt'] },
  printStarted: { word: '开始打印' },
  /** A second word for `printStarted`. */
  printOpened: { word: '开启' },
  printPaused: { word: '暂停打印' },
  printResumed: { word: '继续打印' },
  printLeft: { word: '退出打印' },
  paused: { word: '暂停' },
  resumed: { word: '继续' },
  left: { word: '退出' },
  preheating: { word: '预热', needs: ['preheatMinutes', 'preheatCelsius'] },
  preheated: { word: '预热完成', needs: ['preheatMinutes'] },
  spreading: { word: '刮粉', needs: ['spreadLayers'] },
  spread: { word: '刮粉完成', needs: ['spreadMinutes'] },
  printing: {
    word: '打印',
    needs: ['printStart', 'printEnd', 'printMinutes', 'printLayers', 'currentLayer', 'currentLayerArea'],
    allows: ['currentLayerSeconds'],
  },
  printed: { word: '打印完成', needs: ['printStart', 'printEnd', 'printMinutes', 'printLayers'] },
} as const satisfies Record<string, StateRule>;

/** How bad an error is. A word that is not here is accepted and counted. */
export const levels = { fault: '故障', alarm: '报警', hint: '提示' } as const;

export type StateName = keyof typeof states;
export type LevelName = keyof typeof levels;
export type BaseInformation = MessageOf<typeof baseFields>;
/** `state` is a name of `states`, or the wire's own word when that is unknown. */
export type ProcessReport = MessageOf<typeof processFields> & { readonly state: StateName | (string & {}) };
/** `level` is a name of `levels`, or the wire's own word when that is unknown. */
export type ErrorReport = MessageOf<typeof errorFields> & { readonly level: LevelName | (string & {}) };
export type AuthorizationQuery = MessageOf<typeof authorizationFields>;

/** The domain type of each kind of message. */
export interface Messages {
  readonly base: BaseInformation;
  readonly process: ProcessReport;
  readonly error: ErrorReport;
  readonly authorization: AuthorizationQuery;
}
export type MessageKind = keyof Messages;

/** The keys of what is answered. `code` is added by our centre only, for gateways. */
export const replyKeys = {
  serial: common.serial.key,
  table: '表',
  state: processFields.state.key,
  error: '错误',
  code: '错误码',
  granted: '授权',
  time: common.time.key,
} as const;

/** `表` of the replies on the machines' channels; every other channel answers with its own name. */
export const tableNames = { base: '设备基本信息', process: '设备流程信息', error: '设备异常' } as const;

/** The key that names the sender in the body of the gateway's own channels. */
export const gatewayKey = 'gateway';

/** Keys that our centre adds to an answer for a gateway, and those of what it pushes. */
export const grantKeys = {
  until: '授权截止时间',
  grantedAt: '授予时间',
  version: '版本',
  signature: '签名',
  /** Of a push only: what it is about. */
  kind: '类型',
} as const;

/** `类型` of what the centre pushes to a gateway. */
export const pushKinds = { authorization: '授权变更', accounts: '账号变更' } as const;

/** The stored account (`user.user_account`), and what is pushed of one. */
export const accountKeys = {
  name: '账号名',
  password: '密码',
  createdAt: '创建时间',
  updatedAt: '更新时间',
  customers: '客户',
  role: '角色',
} as const;

/** The stored session (`user.user_session`). */
export const sessionKeys = {
  account: accountKeys.name,
  token: 'token',
  createdAt: accountKeys.createdAt,
  expiresAt: '失效时间',
} as const;

/** What an account may do: look, or also change authorizations. */
export const roles = { viewer: '查看', authorizer: '授权管理' } as const;
export type RoleName = keyof typeof roles;

/** The envelope of pushed accounts: the signed text beside its signature. */
export const accountPushKeys = { kind: grantKeys.kind, content: '内容', signature: grantKeys.signature } as const;

/** Names of the HTTP queries' parameters that are not ASCII; each has a twin that is. */
export const queryNames = {
  account: [accountKeys.name, 'name'],
  password: [accountKeys.password, 'passwd'],
  customer: [accountKeys.customers, 'customer'],
  machine: [common.name.key, 'device'],
} as const;

/** The keys of the HTTP queries' answers. */
export const answerKeys = {
  error: replyKeys.error,
  /** The login's second name for the same. */
  loginError: 'error',
  loginResult: '登录结果',
  token: 'token',
  customers: '客户列表',
  customer: accountKeys.customers,
  devices: '设备列表',
  serial: common.serial.key,
  name: common.name.key,
  items: '信息',
  time: common.time.key,
  until: grantKeys.until,
} as const;

/** `登录结果`. */
export const loginResults = { success: '成功', failure: '失败' } as const;

/** The stored authorization of a machine (`device_info.device_auth`), next to the five fields of its identity. */
export const recordKeys = { until: grantKeys.until, createdAt: '创建时间', changedAt: '修改时间' } as const;

/** A line of `device_auth_log`, of the centre and of a gateway. */
export const authorizationLogKeys = {
  serial: common.serial.key,
  kind: '类型',
  granted: replyKeys.granted,
  error: replyKeys.error,
  source: '来源',
  time: common.time.key,
  /** Of a change only. */
  until: grantKeys.until,
  formerUntil: '原授权截止时间',
  version: grantKeys.version,
  by: '账号名',
} as const;

/** `类型` of a line of `device_auth_log`. */
export const authorizationLogKinds = { query: '查询', answer: '应答', change: '变更' } as const;

/** `来源` of a line of `device_auth_log`. */
export const authorizationLogSources = { centre: '中心', lease: '租约', person: '人工' } as const;
