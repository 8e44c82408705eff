// Runs once in the page's head: tells Gradio when the server is gone, which it notices in a part of
// the cases only. It then waits until the server answers and loads the page again; the picks come
// back (keeper.js), with a word on what happened.
(() => {
  const SILENCE_MS = 8000; // the server says something every three seconds
  const ANSWER_MS = 20000; // a call that does not stream answers within a second
  const LOOK_MS = 1000;
  const GONE = "The connection to the server was lost";
  const ask = window.fetch.bind(window);

  let leaving = false; // who reloads the page ends its requests too
  addEventListener("beforeunload", () => (leaving = true));

  function gone() {
    try {
      if (!leaving) sessionStorage.setItem("palr-lost", "yes");
    } catch {
      // Storage can be forbidden: then the page comes back without a word.
    }
    return new TypeError(GONE);
  }

  // A stream that ends before its last message, or falls silent, was cut. Gradio waits on.
  function watched(answer) {
    const decoder = new TextDecoder();
    let heard = Date.now();
    let looked = heard;
    let said = "";
    let timer = 0;
    const stream = new TransformStream({
      start(controller) {
        timer = setInterval(() => {
          const now = Date.now();
          if (now - looked > 3 * LOOK_MS) heard = now; // this computer slept: what came is unread
          looked = now;
          if (now - heard > SILENCE_MS) controller.error(gone());
        }, LOOK_MS);
      },
      transform(chunk, controller) {
        heard = Date.now();
        said = said.slice(-100) + decoder.decode(chunk, { stream: true });
        if (said.includes('"msg":"unexpected_error"')) controller.error(gone());
        else controller.enqueue(chunk);
      },
      flush(controller) {
        if (!said.includes('"msg":"close_stream"')) controller.error(gone());
      },
    });
    const done = () => clearInterval(timer);
    answer.body.pipeTo(stream.writable).then(done, (error) => {
      done();
      if (error?.name !== "AbortError") gone();
    });
    return new Response(stream.readable, answer);
  }

  function within(ms, promise) {
    let timer = 0;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(gone()), ms);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
  }

  window.fetch = async (input, init) => {
    const { pathname } = new URL(input.url ?? input, document.baseURI);
    const runs = /\/gradio_api\/(queue\/(join|data)|run\/predict)$/.test(pathname);
    if (!runs) return ask(input, init);
    let answer;
    try {
      answer = await within(pathname.includes("/queue/") ? SILENCE_MS : ANSWER_MS, ask(input, init));
    } catch (error) {
      if (error?.name !== "AbortError") gone();
      throw error;
    }
    // A proxy answers for a server that is gone, and not in JSON; another server knows no such run.
    const type = answer.headers.get("content-type") ?? "";
    const stream = pathname.endsWith("data");
    if (stream ? !answer.ok : answer.status >= 500 && !type.includes("json")) throw gone();
    return stream ? watched(answer) : answer;
  };
})();
