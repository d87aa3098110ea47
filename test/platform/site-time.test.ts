import * as assert from 'node:assert/strict';
import { suite } from 'uvu';
import { liveInZone, SiteTime } from '../../src/platform/index.ts';

const test = suite('site time');

test('formats and parses a zone without clock changes', () => {
  const time = new SiteTime('Asia/Shanghai');
  const instant = Date.UTC(2024, 2, 18, 7, 30, 45);
  assert.equal(time.format(instant + 999), '2024-03-18 15:30:45');
  assert.equal(time.parse('2024-03-18 15:30:45'), instant);
  assert.equal(time.parse('2024-3-18 15:30:45'), instant);
  assert.equal(time.format(instant + 1000), '2024-03-18 15:30:46');
});

test('a time that occurs twice is the earlier, one that is left out keeps the offset before', () => {
  const time = new SiteTime('Europe/Berlin');
  assert.equal(time.parse('2024-10-27 02:30:00'), Date.UTC(2024, 9, 27, 0, 30));
  assert.equal(time.parse('2024-10-27 03:00:00'), Date.UTC(2024, 9, 27, 2, 0));
  assert.equal(time.parse('2024-03-31 02:30:00'), Date.UTC(2024, 2, 31, 1, 30));
  assert.equal(time.parse('2024-03-31 03:00:00'), Date.UTC(2024, 2, 31, 1, 0));
  assert.equal(time.format(Date.UTC(2024, 9, 27, 0, 59, 59)), '2024-10-27 02:59:59');
  assert.equal(time.format(Date.UTC(2024, 9, 27, 1, 0, 0)), '2024-10-27 02:00:00');
});

test('every instant of two years is read back, the second of double ones as the first', () => {
  for (const zone of ['America/St_Johns', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'UTC']) {
    const time = new SiteTime(zone);
    for (let at = Date.UTC(2023, 0, 1); at < Date.UTC(2025, 0, 1); at += 7_740_000) {
      const back = time.parse(time.format(at))!;
      assert.ok(back === at || (back < at && back >= at - 3_600_000), `${zone} ${new Date(at).toISOString()}`);
    }
  }
});

test('a process that lives in the zone of the site reads the same time as Intl does', () => {
  const own = process.env.TZ;
  for (const zone of ['Europe/Berlin', 'Australia/Lord_Howe', 'America/St_Johns', 'Asia/Shanghai', 'UTC', 'PRC']) {
    liveInZone('Africa/Abidjan');
    const byIntl = new SiteTime(zone);
    liveInZone(zone);
    const byDate = new SiteTime(zone);
    for (let at = Date.UTC(2005, 0, 1); at < Date.UTC(2038, 0, 1); at += 71_941_000) {
      assert.equal(byDate.format(at), byIntl.format(at), `${zone} ${new Date(at).toISOString()}`);
    }
  }
  if (own === undefined) delete process.env.TZ;
  else process.env.TZ = own;
});

test('what is no time is undefined', () => {
  const time = new SiteTime('Asia/Shanghai');
  for (const text of ['', '2024-02-30 00:00:00', '2024-13-01 00:00:00', '2024-01-01 24:00:00', '2024-01-01', 'x']) {
    assert.equal(time.parse(text), undefined, text);
  }
  assert.throws(() => new SiteTime('Nowhere/Nothing'), RangeError);
});

test.run();
