// Sends the microphone and shows the face; connects again when the connection is lost.
const [button, status, video] = ["button", "[role=status]", "video"].map((name) => document.querySelector(name));
const wait = (ms) => new Promise((done) => setTimeout(done, ms));

async function connect(microphone, client) {
  const peer = new RTCPeerConnection();
  peer.addTrack(microphone.getAudioTracks()[0], microphone);
  peer.addTransceiver("video", { direction: "recvonly" });
  video.srcObject = new MediaStream();
  peer.ontrack = ({ track }) => video.srcObject.addTrack(track);
  const lost = new Promise((done) => {
    peer.onconnectionstatechange = () => {
      status.textContent = peer.connectionState;
      if (["disconnected", "failed", "closed"].includes(peer.connectionState)) done();
    };
  });
  try {
    await peer.setLocalDescription();
    while (peer.iceGatheringState !== "complete") await wait(20);
    const { type, sdp } = peer.localDescription;
    const reply = await fetch("offer", { method: "POST", body: JSON.stringify({ type, sdp, client }) });
    const answer = await reply.json();
    if (reply.status === 409) return answer.error;
    if (!reply.ok) throw new Error(answer.error);
    await peer.setRemoteDescription(answer);
    await lost;
  } catch (error) {
    status.textContent = error.message;
    await wait(2000);
  } finally {
    peer.close();
  }
}

button.onclick = async () => {
  button.disabled = true;
  try {
    const microphone = await navigator.mediaDevices.getUserMedia({ audio: true });
    const client = crypto.randomUUID();
    let displaced;
    while (!displaced) displaced = await connect(microphone, client);
    status.textContent = displaced;
    microphone.getTracks().forEach((track) => track.stop());
  } catch (error) {
    status.textContent = error.message;
  }
  button.disabled = false;
};
