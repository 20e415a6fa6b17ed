import HopyardWire

/// What is remembered of other hosts to limit the errors sent to them (`net/ipv4/inetpeer.c`).
struct InetPeers {
  private struct Peer {
    /// Tokens in milliseconds; errors about missing routes and ICMP errors share them.
    var tokens: Int64 = 0
    var last: Int64 = -60_000
    var redirects = 0
    var lastRedirect: Int64 = .min / 2
  }

  private var peers: [IPv4Address: Peer] = [:]
  private var globalCredit: Int64 = 0
  private var globalLast: Int64 = .min / 2

  /// Whether a missing route may be told: a burst of five, one a second.
  mutating func allowsRouteError(to address: IPv4Address, now: Instant) -> Bool {
    let time = now.nanoseconds / 1_000_000
    var peer = peers[address] ?? Peer()
    defer { peers[address] = peer }
    peer.tokens = min(peer.tokens + (time - peer.last), 5_000)
    peer.last = time
    guard peer.tokens >= 1_000 else { return false }
    peer.tokens -= 1_000
    return true
  }

  /// Whether an ICMP error may be sent: a burst of six, one for each interval (milliseconds).
  ///
  /// An interval of zero allows every error, and still leaves an empty bucket to errors about
  /// missing routes, unless the two were asked for at the same moment.
  mutating func allowsError(to address: IPv4Address, interval: Int64, now: Instant) -> Bool {
    let interval = max(interval, 0)
    let time = now.nanoseconds / 1_000_000
    var peer = peers[address] ?? Peer()
    defer { peers[address] = peer }
    if time != peer.last {
      peer.tokens = min(peer.tokens + (time - peer.last), 6 &* interval)
      peer.last = time
    }
    guard peer.tokens >= interval else { return false }
    peer.tokens -= interval
    return true
  }

  /// Whether a redirect may be sent: each is followed by a longer silence, and after nine none.
  mutating func allowsRedirect(to address: IPv4Address, now: Instant) -> Bool {
    let time = now.nanoseconds / 1_000_000
    var peer = peers[address] ?? Peer()
    defer { peers[address] = peer }
    if time > peer.lastRedirect + 20_480 { peer.redirects = 0 }
    if peer.redirects >= 9 {
      peer.lastRedirect = time
      return false
    }
    guard peer.redirects == 0 || time > peer.lastRedirect + Int64(20 << peer.redirects) else {
      return false
    }
    peer.lastRedirect = time
    peer.redirects += 1
    return true
  }

  /// The limit on all errors together (`icmp_msgs_per_sec`, `icmp_msgs_burst`).
  mutating func allowsGlobally(_ settings: NamespaceSettings, now: Instant) -> Bool {
    let time = now.nanoseconds / 1_000_000
    let burst = Int64(settings.icmpMessagesBurst)
    let elapsed = min(time - globalLast, 1_000)
    if elapsed >= 20 {
      globalCredit = min(
        globalCredit + Int64(settings.icmpMessagesPerSecond) * elapsed / 1_000,
        burst
      )
      globalLast = time
    }
    guard globalCredit > 0 else { return false }
    globalCredit -= 1
    return true
  }
}
