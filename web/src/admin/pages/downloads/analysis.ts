// Looking at a page, until it is known or is not to be had.

import { call, type Schema } from '../../api/call';

/** How often the server is asked how far it is. */
const AGAIN_MS = 500;

/** Has the page looked at; `told` hears how far that is. Aborted, it ends on the server too. */
export async function analyse(
  url: string,
  signal: AbortSignal,
  told: (progress: number, text: string) => void,
): Promise<Schema<'AnalysisResult'>> {
  const { requestId: id } = await call('post', '/api/streaming/analyze', { body: { url }, signal });
  const end = () => void call('delete', '/api/streaming/analyze/{id}', { id }).catch(() => undefined);
  signal.addEventListener('abort', end, { once: true });
  try {
    for (;;) {
      const { result, progress, message } = await call('get', '/api/streaming/analyze/{id}', { id, signal });
      if (result) {
        return result;
      }
      told(progress, message ?? '');
      await pause(signal);
    }
  } finally {
    signal.removeEventListener('abort', end);
  }
}

const pause = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, AGAIN_MS);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    }, { once: true });
  });
