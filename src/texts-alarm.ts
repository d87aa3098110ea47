import type { Alarms } from './alarms.ts';

/** An alarm as long as the file that replaces texts has a mistake; for `LiveTexts`. */
export function textsAlarm(alarms: Alarms): (problem: string | undefined) => void {
  return (problem) => {
    if (problem === undefined) alarms.clear('texts-invalid');
    else alarms.raise('texts-invalid', { cause: problem });
  };
}
