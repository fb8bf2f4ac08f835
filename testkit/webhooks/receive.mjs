// Receives webhooks at 127.0.0.1:PORT (0 picks one) and tells, a line of JSON each, what a library of others makes of
// them. A message that it does not verify is answered with 400.
import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";

const [port, secret] = process.argv.slice(2);
const webhook = new Webhook(secret);

const server = createServer((request, response) => {
    const pieces = [];
    request.on("data", (piece) => pieces.push(piece));
    request.on("end", () => {
        const body = Buffer.concat(pieces).toString("utf8");
        const id = request.headers["webhook-id"];
        try {
            const message = webhook.verify(body, request.headers);
            console.log(JSON.stringify({ id, message }));
            response.writeHead(204).end();
        } catch (error) {
            console.log(JSON.stringify({ id, error: String(error) }));
            response.writeHead(400).end();
        }
    });
});
server.listen(Number(port), "127.0.0.1", () => console.log(JSON.stringify({ port: server.address().port })));
