/** The reports that the machines of a campaign send: valid for their channels, each unlike any other. */

/** Channels of machines, with where the centre keeps what came over them. */
export const channels = {
  device_base_info: { database: 'device_info', collection: 'device_base' },
  device_process_info: { database: 'device_info', collection: 'device_process' },
  device_error_info: { database: 'device_info', collection: 'device_error_info' },
} as const;

export type Channel = keyof typeof channels;
export const channelNames = Object.keys(channels) as Channel[];

const common = {
  报文时间: '2024-03-18 15:30:45',
  机器型号: 'P440',
  机器名称: '重庆1号机',
  地址: '中国重庆市沙坪坝25号2层',
};
const own: Record<Channel, (n: number) => object> = {
  device_base_info: () => ({ 客户名称: '重庆达优', 控制卡硬件版本: 'V2' }),
  device_process_info: (n) =>
    n % 3 === 0 ? { 设备状态: '刮粉', 刮粉层数: String(n) } : { 设备状态: n % 3 === 1 ? '开始打印' : '暂停打印' },
  device_error_info: () => ({ 异常等级: '故障', 异常描述: '电机运动超时' }),
};

/** Length of the filling of a report: most are small, some span several pages of the disk, a few many. */
export function fillingOf(n: number): number {
  if (n % 97 === 0) return 40_000 + n;
  return n % 7 === 0 ? 5000 + (n % 4096) : (n * 37) % 600;
}

/** The `n`th report of a machine on a channel, from 1. */
export function reportBody(serial: string, channel: Channel, n: number): Buffer {
  return Buffer.from(
    JSON.stringify({ 序列号: serial, ...common, ...own[channel](n), n, filling: 'x'.repeat(fillingOf(n)) }),
  );
}
