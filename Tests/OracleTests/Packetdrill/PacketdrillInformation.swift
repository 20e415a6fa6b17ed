import Hopyard

/// `TCP_INFO` under the names that packetdrill's Python has for it.
enum PacketdrillInformation {
  private static let constants: [String: Double] = [
    "TCP_CA_Open": 0, "TCP_CA_Disorder": 1, "TCP_CA_CWR": 2, "TCP_CA_Recovery": 3,
    "TCP_CA_Loss": 4, "TCP_INFINITE_SSTHRESH": 0x7fff_ffff, "TCPI_OPT_TIMESTAMPS": 1,
    "TCPI_OPT_SACK": 2, "TCPI_OPT_WSCALE": 4, "TCPI_OPT_ECN": 8, "TCPI_OPT_ECN_SEEN": 16,
    "TCPI_OPT_SYN_DATA": 32,
    "TCP_ESTABLISHED": 1, "TCP_SYN_SENT": 2, "TCP_SYN_RECV": 3, "TCP_FIN_WAIT1": 4,
    "TCP_FIN_WAIT2": 5, "TCP_TIME_WAIT": 6, "TCP_CLOSE": 7, "TCP_CLOSE_WAIT": 8,
    "TCP_LAST_ACK": 9, "TCP_LISTEN": 10, "TCP_CLOSING": 11, "True": 1, "False": 0,
  ]

  private static let states: [TCPSocketState: Double] = [
    .established: 1, .synSent: 2, .synReceived: 3, .finWait1: 4, .finWait2: 5,
    .timeWait: 6, .closed: 7, .closeWait: 8, .lastAck: 9, .listen: 10, .closing: 11,
  ]

  /// The value of a name, nil for one that is not known.
  static func value(
    _ name: String,
    _ information: TCPInformation,
    _ state: TCPSocketState
  ) -> Double? {
    if let value = constants[name] { return value }
    guard name.hasPrefix("tcpi_") else { return nil }
    let field = name.dropFirst(5)
    if field == "state" { return states[state] }
    return (recovery(field, information) ?? counts(field, information)).map { Double($0) }
  }

  private static func recovery(_ field: Substring, _ information: TCPInformation) -> Int64? {
    switch field {
    case "snd_cwnd": Int64(information.congestionWindow)
    case "snd_ssthresh": Int64(information.slowStartThreshold)
    case "ca_state": Int64(information.recoveryState)
    case "unacked": Int64(information.unacknowledged)
    case "sacked": Int64(information.sacked)
    case "lost": Int64(information.lost)
    case "retrans": Int64(information.retransmitted)
    case "fackets": 0
    case "total_retrans": Int64(information.totalRetransmissions)
    case "retransmits": Int64(information.retransmissions)
    case "probes": Int64(information.probes)
    case "backoff": Int64(information.backoff)
    case "rto": information.timeout
    case "ato": information.ackTimeout
    case "rtt": information.roundTrip
    case "rttvar": information.roundTripVariation
    case "min_rtt": information.leastRoundTrip
    case "rcv_rtt": information.receiveRoundTrip
    case "snd_mss": Int64(information.sendSegment)
    case "rcv_mss": Int64(information.receiveSegment)
    case "advmss": Int64(information.advertisedSegment)
    case "pmtu": Int64(information.pathMTU)
    case "reordering": Int64(information.reordering)
    case "options": Int64(information.options)
    case "snd_wscale": Int64(information.scales.send)
    case "rcv_wscale": Int64(information.scales.receive)
    case "snd_wnd": Int64(information.sendWindow)
    case "rcv_wnd": Int64(information.receiveWindow)
    case "rcv_ssthresh": Int64(information.receiveThreshold)
    case "rcv_space": Int64(information.receiveSpace)
    case "pacing_rate": information.pacingRate
    default: nil
    }
  }

  private static func counts(_ field: Substring, _ information: TCPInformation) -> Int64? {
    switch field {
    case "notsent_bytes": Int64(information.notSent)
    case "delivered": Int64(information.delivered)
    case "last_data_sent": information.lastDataSent
    case "last_data_recv": information.lastDataReceived
    case "last_ack_recv": information.lastAckReceived
    case "busy_time": information.busyTime
    case "rwnd_limited": information.windowLimitedTime
    case "sndbuf_limited": information.bufferLimitedTime
    case "segs_out": Int64(clamping: information.segmentsOut)
    case "segs_in": Int64(clamping: information.segmentsIn)
    case "data_segs_out": Int64(clamping: information.dataSegmentsOut)
    case "data_segs_in": Int64(clamping: information.dataSegmentsIn)
    case "bytes_sent": Int64(clamping: information.bytesSent)
    case "bytes_retrans": Int64(clamping: information.bytesRetransmitted)
    case "bytes_acked": Int64(clamping: information.bytesAcknowledged)
    case "bytes_received": Int64(clamping: information.bytesReceived)
    case "dsack_dups": Int64(information.duplicates)
    case "reord_seen": Int64(information.reorderingsSeen)
    case "rcv_ooopack": Int64(information.outOfOrder)
    default: nil
    }
  }
}
