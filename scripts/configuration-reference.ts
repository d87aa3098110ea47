// Writes docs/configuration.md from the table of the configuration: bin/node scripts/configuration-reference.ts
import { writeFileSync } from 'node:fs';
import { configurationReference } from '../src/config/index.ts';

writeFileSync(new URL('../docs/configuration.md', import.meta.url), configurationReference());
