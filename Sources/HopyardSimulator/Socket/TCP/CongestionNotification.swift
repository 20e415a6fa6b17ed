/// Explicit congestion notification of a connection (RFC 3168).
struct CongestionNotification {
  /// Both ends agreed on it.
  var isOn = false
  /// The next new data says that the window was reduced.
  var owesReduced = false
  /// Acknowledgements tell the peer of congestion until it says that it reduced its window.
  var demandsReduction = false
  /// Marked packets were heard of since the connection began.
  var wasSeen = false
}

extension TCPSocket {
  /// Notes what the IP header of a data segment says (`tcp_ecn_check_ce`).
  func noteCongestionMark(_ segment: ReceivedSegment) {
    guard ecn.isOn else { return }
    switch segment.tos & 3 {
    case 0:
      // Segments that cannot be marked come after loss; the peer should hear of it at once.
      if ecn.wasSeen { enterQuickAcks(2) }
    case 3:
      if !ecn.demandsReduction {
        enterQuickAcks(2)
        ecn.demandsReduction = true
      }
      ecn.wasSeen = true
    default: ecn.wasSeen = true
    }
  }

  /// The peer says that it reduced its window.
  func noteReducedWindow(_ segment: ReceivedSegment) {
    guard segment.flags.contains(.cwr) else { return }
    ecn.demandsReduction = false
    if !segment.payload.isEmpty { receiver.ackNow = true }
  }

  /// The next new data will say that the window was reduced.
  func owesReducedWindow() {
    if ecn.isOn { ecn.owesReduced = true }
  }
}
