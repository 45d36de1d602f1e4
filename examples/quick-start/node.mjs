import { Tidings } from "tidings";

const tidings = new Tidings(process.env.TIDINGS_URL ?? "http://127.0.0.1:8000");
const room = tidings.channel("room:7", { last: 10 });

room.on("$gap", ({ to, reason }) => console.log(`lost up to ${to}: ${reason}`));
const { offset } = await room.publish({ text: "안녕 from Node" });
console.log(`published as ${offset}`);

for await (const message of room) console.log(message.offset, message.data.text);
