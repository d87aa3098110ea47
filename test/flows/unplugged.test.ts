import { suite } from 'uvu';
import { unpluggedCampaign } from './unplugged.ts';

const test = suite('the printer line, unplugged');

test('every complete line is a document once', () => unpluggedCampaign({ lines: 300, pulls: 3 }));

test.run();
