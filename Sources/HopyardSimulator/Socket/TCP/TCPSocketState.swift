/// The state of a connection (RFC 9293 §3.3.2).
public enum TCPSocketState: String, Sendable {
  case closed = "CLOSE"
  case listen = "LISTEN"
  case synSent = "SYN-SENT"
  case synReceived = "SYN-RECV"
  case established = "ESTAB"
  case finWait1 = "FIN-WAIT-1"
  case finWait2 = "FIN-WAIT-2"
  case closeWait = "CLOSE-WAIT"
  case closing = "CLOSING"
  case lastAck = "LAST-ACK"
  case timeWait = "TIME-WAIT"
}

/// How the sender takes the state of the path, as Linux's `tcp_ca_state`.
enum RecoveryState: UInt8 {
  /// Nothing is amiss.
  case open
  /// Something arrived out of order.
  case disorder
  /// The window is being reduced because of ECN or a local drop.
  case reduced
  /// Lost segments are being sent again after fast retransmit.
  case recovery
  /// Lost segments are being sent again after a timeout.
  case loss
}
