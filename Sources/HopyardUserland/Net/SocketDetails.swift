import HopyardSimulator

/// What `ss -i` and `ss -o` tell of a TCP connection (`ss(8)` of iproute2).
///
/// The delivery rate is not measured and left out, and so is `app_limited`.
enum SocketDetails {
  /// ` timer:(on,204ms,0)`; nothing where no timer runs.
  static func timer(_ information: TCPInformation) -> String {
    guard let timer = information.timer else { return "" }
    return " timer:(\(timer.kind.rawValue),\(time(timer.left)),\(timer.count))"
  }

  private static func time(_ milliseconds: Int64) -> String {
    let minutes = milliseconds / 60_000
    var seconds = milliseconds / 1000 % 60
    var rest = milliseconds % 1000
    var text = ""
    if minutes > 0 {
      rest = 0
      text = "\(minutes)min"
      if minutes > 9 { seconds = 0 }
    }
    if seconds > 0 {
      if seconds > 9 { rest = 0 }
      text += "\(seconds)" + (rest > 0 ? "." : "sec")
    }
    if rest > 0 {
      let digits = String(rest)
      text += String(repeating: "0", count: 3 - digits.count) + digits + "ms"
    }
    return text
  }

  /// The line of `-i`.
  static func text(
    _ information: TCPInformation,
    isListening: Bool,
    showsOptions: Bool,
    isNumeric: Bool
  ) -> String {
    var text = ""
    if showsOptions, !isListening {
      if information.options & 1 != 0 { text += " ts" }
      if information.options & 2 != 0 { text += " sack" }
      if information.options & 8 != 0 { text += " ecn" }
    }
    text += " " + information.congestionControl.rawValue
    if isListening { return text + " cwnd:\(information.congestionWindow)" }
    text += path(information)
    text += counts(information)
    text += rates(information, isNumeric)
    text += losses(information)
    return text
  }

  private static func field(_ name: String, _ value: some BinaryInteger) -> String {
    value == 0 ? "" : " \(name):\(value)"
  }

  private static func path(_ information: TCPInformation) -> String {
    var text = ""
    if information.options & 4 != 0 {
      text += " wscale:\(information.scales.send),\(information.scales.receive)"
    }
    text += " rto:" + milliseconds(information.timeout)
    text += field("backoff", information.backoff)
    if information.roundTrip > 0 {
      text +=
        " rtt:" + milliseconds(information.roundTrip) + "/"
        + milliseconds(information.roundTripVariation)
    }
    if information.ackTimeout > 0 { text += " ato:" + milliseconds(information.ackTimeout) }
    text += field("mss", information.sendSegment) + field("pmtu", information.pathMTU)
    text += field("rcvmss", information.receiveSegment)
    text += field("advmss", information.advertisedSegment)
    text += field("cwnd", information.congestionWindow)
    if information.slowStartThreshold < 0xffff {
      text += field("ssthresh", information.slowStartThreshold)
    }
    return text
  }

  private static func counts(_ information: TCPInformation) -> String {
    field("bytes_sent", information.bytesSent)
      + field("bytes_retrans", information.bytesRetransmitted)
      + field("bytes_acked", information.bytesAcknowledged)
      + field("bytes_received", information.bytesReceived)
      + field("segs_out", information.segmentsOut) + field("segs_in", information.segmentsIn)
      + field("data_segs_out", information.dataSegmentsOut)
      + field("data_segs_in", information.dataSegmentsIn)
  }

  private static func rates(_ information: TCPInformation, _ isNumeric: Bool) -> String {
    var text = ""
    if information.roundTrip > 0 {
      let bits =
        Double(information.congestionWindow * information.sendSegment) * 8e6
        / Double(information.roundTrip)
      text += " send " + rate(bits, isNumeric)
    }
    text += field("lastsnd", information.lastDataSent)
    text += field("lastrcv", information.lastDataReceived)
    text += field("lastack", information.lastAckReceived)
    if information.pacingRate > 0 {
      text += " pacing_rate " + rate(Double(information.pacingRate) * 8, isNumeric)
    }
    text += field("delivered", information.delivered)
    guard information.busyTime >= 1000 else { return text }
    text += " busy:\(information.busyTime / 1000)ms"
    text += share("rwnd_limited", information.windowLimitedTime, of: information.busyTime)
    text += share("sndbuf_limited", information.bufferLimitedTime, of: information.busyTime)
    return text
  }

  private static func share(_ name: String, _ time: Int64, of all: Int64) -> String {
    guard time > 0 else { return "" }
    let tenths = (time * 1000 + all / 2) / all
    return " \(name):\(time / 1000)ms(\(tenths / 10).\(tenths % 10)%)"
  }

  private static func losses(_ information: TCPInformation) -> String {
    var text = field("unacked", information.unacknowledged)
    if information.retransmitted > 0 || information.totalRetransmissions > 0 {
      text += " retrans:\(information.retransmitted)/\(information.totalRetransmissions)"
    }
    text += field("lost", information.lost) + field("sacked", information.sacked)
    text += field("dsack_dups", information.duplicates)
    if information.reordering != 3 { text += field("reordering", information.reordering) }
    text += field("reord_seen", information.reorderingsSeen)
    if information.receiveRoundTrip > 0 {
      text += " rcv_rtt:" + milliseconds(information.receiveRoundTrip)
    }
    text += field("rcv_space", information.receiveSpace)
    text += field("rcv_ssthresh", information.receiveThreshold)
    text += field("notsent", information.notSent)
    if information.leastRoundTrip > 0 {
      text += " minrtt:" + milliseconds(information.leastRoundTrip)
    }
    text += field("rcv_ooopack", information.outOfOrder)
    return text + field("snd_wnd", information.sendWindow)
  }

  /// Microseconds in milliseconds with at most six digits, as `%g` writes them.
  private static func milliseconds(_ microseconds: Int64) -> String {
    let whole = microseconds / 1000
    var fraction = microseconds % 1000
    // Six digits that count: what stands before the point leaves fewer behind it.
    let places = max(6 - String(whole).count, 0)
    if places == 0 || fraction == 0 { return String(whole) }
    var digits = 3
    while digits > places {
      fraction /= 10
      digits -= 1
    }
    var text = String(fraction)
    text = String(repeating: "0", count: digits - text.count) + text
    while text.last == "0" { text.removeLast() }
    return text.isEmpty ? String(whole) : "\(whole).\(text)"
  }

  private static func rate(_ bits: Double, _ isNumeric: Bool) -> String {
    if isNumeric || bits < 1000 { return "\(Int64(bits.rounded()))bps" }
    let scaled = bits >= 1e6 ? bits / 1e6 : bits / 1e3
    let tenths = Int64((scaled * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)" + (bits >= 1e6 ? "Mbps" : "Kbps")
  }
}
