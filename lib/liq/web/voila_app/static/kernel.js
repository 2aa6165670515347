// A client of a kernel behind a websocket, in Jupyter's messaging protocol.
// https://jupyter-server.readthedocs.io/en/latest/developers/websocket-protocols.html#default-websocket-protocol

const OUTPUTS = new Set(["stream", "display_data", "execute_result", "error", "clear_output"]);

/** A channel to one object of the kernel, with the interface that widget models expect. */
class Comm {
  constructor(kernel, id, target) {
    Object.assign(this, { kernel, comm_id: id, target_name: target, early: [] });
  }
  open(data = {}, callbacks, metadata) {
    const content = { comm_id: this.comm_id, target_name: this.target_name, data };
    return this.kernel.send("comm_open", content, { callbacks, metadata });
  }
  send(data, callbacks, metadata, buffers) {
    return this.kernel.send("comm_msg", { comm_id: this.comm_id, data }, { callbacks, metadata, buffers });
  }
  close(data = {}, callbacks, metadata) {
    this.kernel.comms.delete(this.comm_id);
    return this.kernel.send("comm_close", { comm_id: this.comm_id, data }, { callbacks, metadata });
  }
  on_msg(listener) {
    this.listener = listener;
    this.early.splice(0).forEach(listener);
  }
  on_close(listener) {
    this.closed = listener;
  }
  /** Deliver a message; messages before the first listener are queued. */
  take(message) {
    if (this.listener) this.listener(message);
    else this.early.push(message);
  }
}

export class Kernel {
  /**
   * `onComm(comm, message)` receives new objects of the kernel. `onLost(reached)` is called when the
   * connection ends. `onError(content)` receives exceptions that no output shows.
   */
  constructor(url, { onComm, onLost, onError }) {
    Object.assign(this, { onComm, onLost, onError, comms: new Map(), waiting: new Map() });
    this.captures = new Map(); // request id -> receiver of the request's outputs
    this.session = uuid();
    this.socket = new WebSocket(`${url}?session_id=${this.session}`);
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = ({ data }) => this.take(parse(data));
    this.socket.onclose = () => onLost(this.reached);
    this.reached = false;
    this.connected = new Promise((resolve) => (this.socket.onopen = resolve)).then(() => (this.reached = true));
  }

  comm(target, id = uuid()) {
    const comm = new Comm(this, id, target);
    this.comms.set(id, comm);
    return comm;
  }

  /** Send a message on the shell channel; return its id. `callbacks.iopub` receive its results. */
  send(msg_type, content, { callbacks, metadata = {}, buffers = [] } = {}) {
    const header = {
      msg_id: uuid(), session: this.session, msg_type,
      username: "", version: "5.4", date: new Date().toISOString(),
    };
    if (callbacks?.iopub) this.waiting.set(header.msg_id, callbacks.iopub);
    const message = { channel: "shell", header, parent_header: {}, metadata, content };
    this.socket.send(serialize(message, buffers));
    return header.msg_id;
  }

  take(message) {
    if (message.channel !== "iopub") return;
    const { content, header, parent_header } = message;
    const type = header.msg_type;
    this.waiting.get(parent_header.msg_id)?.[type]?.(message);
    const capture = this.captures.get(parent_header.msg_id);
    if (OUTPUTS.has(type)) capture?.(message);
    if (type === "error" && !capture) this.onError(content);
    if (type === "comm_msg") this.comms.get(content.comm_id)?.take(message);
    else if (type === "comm_open") this.onComm(this.comm(content.target_name, content.comm_id), message);
    else if (type === "comm_close") this.end(message);
    else if (type === "status") this.status(content.execution_state, parent_header.msg_id);
  }

  end(message) {
    this.comms.get(message.content.comm_id)?.closed?.(message);
    this.comms.delete(message.content.comm_id);
  }

  status(state, request) {
    if (state === "idle") this.waiting.delete(request);
    if (state === "restarting" || state === "dead") this.onLost(true);
  }
}

// crypto.randomUUID needs a secure page; a page from another machine's address is not secure
function uuid() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function serialize(message, buffers) {
  if (!buffers?.length) return JSON.stringify(message);
  const parts = [new TextEncoder().encode(JSON.stringify(message)), ...buffers.map(bytes)];
  const head = new DataView(new ArrayBuffer(4 * (parts.length + 1)));
  head.setUint32(0, parts.length);
  let offset = head.byteLength;
  parts.forEach((part, i) => {
    head.setUint32(4 * (i + 1), offset);
    offset += part.byteLength;
  });
  return new Blob([head, ...parts]);
}

function bytes(buffer) {
  return ArrayBuffer.isView(buffer)
    ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
    : new Uint8Array(buffer);
}

function parse(data) {
  if (typeof data === "string") return { ...JSON.parse(data), buffers: [] };
  const view = new DataView(data);
  const starts = Array.from({ length: view.getUint32(0) }, (_, i) => view.getUint32(4 * (i + 1)));
  const parts = starts.map((start, i) => data.slice(start, starts[i + 1]));
  const message = JSON.parse(new TextDecoder().decode(parts[0]));
  return { ...message, buffers: parts.slice(1).map((part) => new DataView(part)) };
}
