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
