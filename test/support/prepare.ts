/**
 * Builds what tests need and what takes longer than a test may: the database server, once, into the cache.
 * `npm test` and `npm run setup` call it; when everything is there it does nothing.
 */
import { prepareMongo } from './mongodb.ts';

await prepareMongo();
