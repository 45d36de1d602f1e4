import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { useChannel } from "./useChannel.js";

function Room({ name }) {
  const [messages, publish] = useChannel(name);
  const [text, setText] = useState("");
  const send = (event) => {
    event.preventDefault();
    publish({ text });
    setText("");
  };
  return (
    <>
      <ul>{messages.map(({ epoch, offset, data }) => <li key={`${epoch}-${offset}`}>{data.text}</li>)}</ul>
      <form onSubmit={send}><input value={text} onChange={(event) => setText(event.target.value)} /></form>
    </>
  );
}

function App() {
  const [name, setName] = useState("room:7");
  return (
    <>
      {["room:7", "room:8"].map((each) => <button key={each} onClick={() => setName(each)}>{each}</button>)}
      <Room name={name} />
    </>
  );
}

createRoot(document.body.appendChild(document.createElement("main"))).render(<StrictMode><App /></StrictMode>);
