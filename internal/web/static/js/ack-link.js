// The page behind the link in a letter: its times in the reader's zone.

import { keepTimes } from './console-times.js';

keepTimes();
