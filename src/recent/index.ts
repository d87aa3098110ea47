export {
  defaultRecentLimits,
  type RecentLimits,
  RecentReports,
  type RecentReportsOptions,
  type RecentState,
} from './recent-reports.ts';
