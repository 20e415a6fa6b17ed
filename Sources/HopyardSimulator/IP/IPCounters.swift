/// The counters of `/proc/net/snmp` and `/proc/net/netstat` that the model keeps, by their names
/// there with the group in front, as `nstat` prints them.
public enum IPCounter: String, CaseIterable, Sendable {
  case ipInReceives = "IpInReceives"
  case ipInHdrErrors = "IpInHdrErrors"
  case ipInAddrErrors = "IpInAddrErrors"
  case ipForwDatagrams = "IpForwDatagrams"
  case ipInUnknownProtos = "IpInUnknownProtos"
  case ipInDiscards = "IpInDiscards"
  case ipInDelivers = "IpInDelivers"
  case ipOutRequests = "IpOutRequests"
  case ipOutDiscards = "IpOutDiscards"
  case ipOutNoRoutes = "IpOutNoRoutes"
  case ipReasmTimeout = "IpReasmTimeout"
  case ipReasmReqds = "IpReasmReqds"
  case ipReasmOKs = "IpReasmOKs"
  case ipReasmFails = "IpReasmFails"
  case ipFragOKs = "IpFragOKs"
  case ipFragFails = "IpFragFails"
  case ipFragCreates = "IpFragCreates"
  case ipOutTransmits = "IpOutTransmits"
  case icmpInMsgs = "IcmpInMsgs"
  case icmpInErrors = "IcmpInErrors"
  case icmpInCsumErrors = "IcmpInCsumErrors"
  case icmpInDestUnreachs = "IcmpInDestUnreachs"
  case icmpInTimeExcds = "IcmpInTimeExcds"
  case icmpInParmProbs = "IcmpInParmProbs"
  case icmpInSrcQuenchs = "IcmpInSrcQuenchs"
  case icmpInRedirects = "IcmpInRedirects"
  case icmpInEchos = "IcmpInEchos"
  case icmpInEchoReps = "IcmpInEchoReps"
  case icmpInTimestamps = "IcmpInTimestamps"
  case icmpInTimestampReps = "IcmpInTimestampReps"
  case icmpInAddrMasks = "IcmpInAddrMasks"
  case icmpInAddrMaskReps = "IcmpInAddrMaskReps"
  case icmpOutMsgs = "IcmpOutMsgs"
  case icmpOutErrors = "IcmpOutErrors"
  case icmpOutRateLimitGlobal = "IcmpOutRateLimitGlobal"
  case icmpOutRateLimitHost = "IcmpOutRateLimitHost"
  case icmpOutDestUnreachs = "IcmpOutDestUnreachs"
  case icmpOutTimeExcds = "IcmpOutTimeExcds"
  case icmpOutParmProbs = "IcmpOutParmProbs"
  case icmpOutSrcQuenchs = "IcmpOutSrcQuenchs"
  case icmpOutRedirects = "IcmpOutRedirects"
  case icmpOutEchos = "IcmpOutEchos"
  case icmpOutEchoReps = "IcmpOutEchoReps"
  case icmpOutTimestamps = "IcmpOutTimestamps"
  case icmpOutTimestampReps = "IcmpOutTimestampReps"
  case icmpOutAddrMasks = "IcmpOutAddrMasks"
  case icmpOutAddrMaskReps = "IcmpOutAddrMaskReps"
  case tcpActiveOpens = "TcpActiveOpens"
  case tcpPassiveOpens = "TcpPassiveOpens"
  case tcpAttemptFails = "TcpAttemptFails"
  case tcpEstabResets = "TcpEstabResets"
  case tcpInSegs = "TcpInSegs"
  case tcpOutSegs = "TcpOutSegs"
  case tcpRetransSegs = "TcpRetransSegs"
  case tcpInErrs = "TcpInErrs"
  case tcpOutRsts = "TcpOutRsts"
  case tcpInCsumErrors = "TcpInCsumErrors"
  case udpInDatagrams = "UdpInDatagrams"
  case udpNoPorts = "UdpNoPorts"
  case udpInErrors = "UdpInErrors"
  case udpOutDatagrams = "UdpOutDatagrams"
  case udpRcvbufErrors = "UdpRcvbufErrors"
  case udpSndbufErrors = "UdpSndbufErrors"
  case udpInCsumErrors = "UdpInCsumErrors"
  case udpIgnoredMulti = "UdpIgnoredMulti"
  case ipExtInNoRoutes = "IpExtInNoRoutes"
  case ipExtInTruncatedPkts = "IpExtInTruncatedPkts"
  case ipExtInMcastPkts = "IpExtInMcastPkts"
  case ipExtOutMcastPkts = "IpExtOutMcastPkts"
  case ipExtInBcastPkts = "IpExtInBcastPkts"
  case ipExtOutBcastPkts = "IpExtOutBcastPkts"
  case ipExtInOctets = "IpExtInOctets"
  case ipExtOutOctets = "IpExtOutOctets"
  case ipExtInMcastOctets = "IpExtInMcastOctets"
  case ipExtOutMcastOctets = "IpExtOutMcastOctets"
  case ipExtInBcastOctets = "IpExtInBcastOctets"
  case ipExtOutBcastOctets = "IpExtOutBcastOctets"
  case ipExtInCsumErrors = "IpExtInCsumErrors"
  case ipExtIPReversePathFilter = "TcpExtIPReversePathFilter"
  case ipExtInNoECTPkts = "IpExtInNoECTPkts"

  /// The counter's place in ``IPCounters``: its number among the cases.
  @inline(__always)
  var index: Int { Int(unsafeBitCast(self, to: UInt8.self)) }
}

/// A namespace's counters.
///
/// They exist once something was counted.
public struct IPCounters: Sendable {
  private var receives: UInt64 = 0
  private var forwarded: UInt64 = 0
  private var delivers: UInt64 = 0
  private var requests: UInt64 = 0
  private var transmits: UInt64 = 0
  private var inOctets: UInt64 = 0
  private var outOctets: UInt64 = 0
  private var noECT: UInt64 = 0
  private var others: [UInt64] = []

  /// The value of a counter.
  public subscript(counter: IPCounter) -> UInt64 {
    switch counter {
    case .ipInReceives: receives
    case .ipForwDatagrams: forwarded
    case .ipInDelivers: delivers
    case .ipOutRequests: requests
    case .ipOutTransmits: transmits
    case .ipExtInOctets: inOctets
    case .ipExtOutOctets: outOctets
    case .ipExtInNoECTPkts: noECT
    default: others.isEmpty ? 0 : others[counter.index]
    }
  }

  /// Counts one.
  mutating func count(_ counter: IPCounter, by amount: UInt64 = 1) {
    if others.isEmpty { others = [UInt64](repeating: 0, count: IPCounter.allCases.count) }
    others[counter.index] &+= amount
  }

  @inline(__always)
  mutating func countReceived(_ bytes: Int, ect: Bool) {
    receives &+= 1
    inOctets &+= UInt64(truncatingIfNeeded: bytes)
    if !ect { noECT &+= 1 }
  }

  @inline(__always)
  mutating func countForwarded() { forwarded &+= 1 }

  @inline(__always)
  mutating func countDelivered() { delivers &+= 1 }

  @inline(__always)
  mutating func countRequest() { requests &+= 1 }

  @inline(__always)
  mutating func countTransmitted(_ bytes: Int) {
    transmits &+= 1
    outOctets &+= UInt64(truncatingIfNeeded: bytes)
  }
}
