import { useCallback, useEffect, useState } from "react";
import { Tidings } from "tidings";

const tidings = new Tidings("http://127.0.0.1:8000"); // one for the whole application: one connection

/** The newest messages of a channel, and a function that publishes to it. */
export function useChannel(name) {
  const [messages, setMessages] = useState([]);
  useEffect(() => {
    setMessages([]);
    const channel = tidings.channel(name, { last: 20 });
    // What `on` gives removes the listener; without listeners the channel is read no more.
    return channel.on("$message", (message) => setMessages((before) => [...before, message].slice(-100)));
  }, [name]);
  return [messages, useCallback((data, options) => tidings.publish(name, data, options), [name])];
}
