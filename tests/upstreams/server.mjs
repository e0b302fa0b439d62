// A web server that counts the bytes of every body it gets and sends, for the tests of the gateway.
// Prints `PORT CONTROL`: the control port answers any request with its counts.
import { createHash } from "node:crypto";
import { createServer } from "node:http";

const count = { requests: 0, requestBytes: 0, responseBytes: 0 };
const text = (length) => Buffer.alloc(length, "node");

function read(request) {
  return new Promise((done) => {
    const parts = [];
    request.on("data", (part) => {
      count.requestBytes += part.length;
      parts.push(part);
    });
    request.on("end", () => done(Buffer.concat(parts)));
    request.on("error", () => done(null));
  });
}

function send(response, body) {
  count.responseBytes += body.length;
  response.end(body);
}

const server = createServer(async (request, response) => {
  count.requests += 1;
  const url = new URL(request.url, "http://here");
  const [, what, amount] = url.pathname.split("/");
  const length = Number(amount);
  if (what === "echo") {
    // Streams back while it still comes in; callers may break off.
    request.on("data", (part) => {
      count.requestBytes += part.length;
      count.responseBytes += part.length;
      response.write(part);
    });
    request.on("error", () => response.destroy());
    return request.on("end", () => response.end());
  }
  const body = await read(request);
  if (body === null) return;
  if (what === "bytes") {
    response.setHeader("Content-Length", length);
    if (request.method === "HEAD") return response.end();
    return send(response, text(length));
  }
  if (what === "chunks") {
    for (let index = 0; index < length; index += 1) {
      const part = text(1 + ((index * 37) % 997));
      count.responseBytes += part.length;
      response.write(part);
    }
    return response.end();
  }
  if (what === "nothing") {
    response.statusCode = 204;
    return response.end();
  }
  if (what === "status") {
    response.statusCode = length;
    return send(response, text(100 + length));
  }
  if (what === "headers") {
    response.setHeader("X-Hop", "mine");
    response.setHeader("Connection", "X-Hop");
    return send(response, Buffer.from(JSON.stringify(request.headers)));
  }
  if (what === "trailers") {
    response.setHeader("Trailer", "X-Sum");
    response.addTrailers({ "X-Sum": String(body.length), "X-Sent": request.trailers["x-sent"] ?? "" });
    return send(response, text(10));
  }
  if (what === "hang") return;
  if (what === "break") {
    response.write(text(10));
    count.responseBytes += 10;
    return setImmediate(() => response.destroy());
  }
  response.statusCode = 404;
  send(response, Buffer.from("nothing here"));
});

// Frames of WebSockets are sent back as they are, unmasked.
server.on("upgrade", (request, socket, head) => {
  count.requests += 1;
  const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  const accept = createHash("sha1").update(request.headers["sec-websocket-key"] + guid).digest("base64");
  socket.write(
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  let waiting = Buffer.alloc(0);
  const take = (part) => {
    count.requestBytes += part.length;
    waiting = Buffer.concat([waiting, part]);
    // Short masked frames only: two bytes, four of mask, the payload.
    while (waiting.length >= 6 && waiting.length >= 6 + (waiting[1] & 127)) {
      const length = waiting[1] & 127;
      const payload = waiting.subarray(6, 6 + length).map((byte, index) => byte ^ waiting[2 + (index % 4)]);
      const frame = Buffer.concat([Buffer.from([waiting[0], length]), payload]);
      waiting = waiting.subarray(6 + length);
      count.responseBytes += frame.length;
      socket.write(frame);
    }
  };
  if (head.length > 0) take(head);
  socket.on("data", take);
  socket.on("error", () => socket.destroy());
  socket.on("end", () => socket.end());
});

const control = createServer((_, response) => response.end(JSON.stringify(count)));
server.listen(0, "127.0.0.1", () =>
  control.listen(0, "127.0.0.1", () => console.log(`${server.address().port} ${control.address().port}`)),
);
// Whoever started it has ended.
process.stdin.on("end", () => process.exit()).resume();
