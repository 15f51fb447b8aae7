/** Does the work in one tab at a time. Where there are no locks, the server counts once what two tabs send. */
export async function exclusively(work: () => Promise<void>): Promise<void> {
  try {
    await navigator.locks.request("footfall", async () => {
      // What one tab stores or removes, others see a moment later.
      await new Promise((resolve) => setTimeout(resolve, 50));
      await work();
    });
  } catch {
    await work();
  }
}
