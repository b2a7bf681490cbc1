// Loaded before server.js: the process dies, as by kill -9, when the mail is finished
// and does not have its name yet.
'use strict';
require('node:fs').linkSync = () => process.kill(process.pid, 'SIGKILL');
