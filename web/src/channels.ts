// The page with the list of channels.

import { runClock } from './clock';
import { startList } from './list';

runClock();
startList().search();
