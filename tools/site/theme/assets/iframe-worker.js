/* The theme's search, in two points. (Its plugin `offline` wants this name: without it, it takes a script from another host.) */
{
  /* 1. The search finds every page that has one of the words, and words that begin like it. A question in a sentence would
     find all pages for its "how do I", and miss "refuse" for "refused". */
  const QUERY = 2; /* what the theme's page sends to its worker, beside the index */
  const COMMON = new Set((
    "a an and any are as at be by can do does for from get gets give gives has have how i if in into is it its me mean means " +
    "my no not now of on or so that the then there this to up use used using was were what when where which why will with " +
    "without you your").split(" "));
  const stem = word => /^[a-z]{6,}$/.test(word) ? word.replace(/(ations?|ing|al|ed|es|e|s)$/, "") : word;
  const words = query => {
    const all = query.trim().split(/\s+/).map(word => word.replace(/[?!.,;:]+$/, ""));
    const rare = all.filter(word => !COMMON.has(word.toLowerCase()));
    return (rare.length ? rare : all).map(stem).join(" ");
  };
  const asked = message => message.type === QUERY ? { ...message, data: words(message.data) } : message;

  /* 2. The search runs in a worker, which a page that was opened from a file may not start. There, a frame does its work. */
  class FrameWorker extends EventTarget {
    constructor(address) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      this.inside = this.frame.contentWindow;
      /* The script of the worker answers by the function postMessage, which is here for us to hear. */
      this.inside.postMessage = data => this.dispatchEvent(new MessageEvent("message", { data }));
      this.ready = new Promise(done => {
        const script = this.frame.contentDocument.createElement("script");
        script.src = address;
        script.onload = done;
        this.frame.contentDocument.body.append(script);
      });
    }
    postMessage(message) {
      const event = new MessageEvent("message", { data: asked(message) });
      /* Not at once: the frame must be done with one message, the index, before it gets the next one. */
      this.ready.then(() => setTimeout(() => this.inside.dispatchEvent(event)));
    }
    terminate() {
      this.frame.remove();
    }
  }

  const RealWorker = window.Worker;
  window.Worker = location.protocol === "file:" ? FrameWorker : class extends RealWorker {
    postMessage(message) {
      super.postMessage(asked(message));
    }
  };
}
