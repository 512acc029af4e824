// Tasks over one WebSocket that may break: submit() gives a promise of the result. Needs nothing but a browser (or Node 22).
class TaskSocket {
  constructor(url, token, { meetingId, onProgress = () => {}, onEvent = () => {} } = {}) {
    Object.assign(this, { url, token, meetingId, onProgress, onEvent, session: {}, seen: 0, open: new Map(), wait: 500 });
    this.connect();
  }
  connect() {
    this.socket = new WebSocket(this.url);
    this.socket.onopen = () =>
      this.say("hello", { token: this.token, meeting_id: this.meetingId, ...this.session, last_seq: this.seen });
    this.socket.onmessage = ({ data }) => this.hear(JSON.parse(data));
    this.socket.onclose = ({ code }) => {
      if (![4400, 4401, 4403, 4409].includes(code)) setTimeout(() => this.connect(), (this.wait = Math.min(this.wait * 2, 30000)));
    };
  }
  say(type, data) {
    this.socket.send(JSON.stringify({ v: 1, type, data }));
  }
  submit(type, data, options = {}) {
    const request = { request_id: crypto.randomUUID(), type, data, ...options };
    if (this.socket.readyState === 1 && this.session.session_id) this.say("task.submit", request);
    return new Promise((resolve, reject) => this.open.set(request.request_id, { request, resolve, reject }));
  }
  hear({ type, seq, data }) {
    if (seq) {
      if (seq <= this.seen) return; // told before the connection broke
      this.say("ack", { seq: (this.seen = seq) });
    }
    if (type === "ready") {
      if (!data.resumed) this.seen = 0;
      this.session = { session_id: data.session_id, resume_token: data.resume_token };
      this.wait = 500;
      for (const { request } of this.open.values()) this.say("task.submit", request); // a repeat is the same task
    } else if (type === "task.result") {
      const { resolve, reject } = this.open.get(data.request_id) ?? { resolve() {}, reject() {} };
      this.open.delete(data.request_id);
      data.status === "success" ? resolve(data) : reject(data.error);
    } else if (type === "task.progress") this.onProgress(data);
    else if (type === "event") this.onEvent(data);
    else if (type === "error") console.warn(data.code, data.message);
  }
}
globalThis.TaskSocket = TaskSocket;
