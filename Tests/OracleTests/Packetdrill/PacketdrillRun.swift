import Hopyard

/// Runs a packetdrill script against the simulated kernel.
final class PacketdrillRun {
  /// Why a run ended early.
  enum Ending: Error {
    /// The kernel did something else than the script says.
    case wrong(String)
    /// The script needs something that is not modelled.
    case skipped(String)
  }

  let script: PacketdrillScript
  let simulation = Simulation(seed: 7)
  let machine: Machine
  private let userland: Userland
  private(set) var wire: PacketdrillWire!
  var sockets: [Int: TCPSocket] = [:]
  var nonBlocking: Set<Int> = []
  /// The socket that assertions are about.
  var subject: TCPSocket?
  /// The kernel's first sequence number, and the clock of its timestamps.
  private var localStart: UInt32?
  private var clockStart: UInt32?
  /// The values of the kernel's timestamps by those of the script.
  private var stamps: [UInt32: UInt32] = [:]
  private var tolerance: Int64
  private var share = 0.125
  private var last: Int64 = 0
  private(set) var start: Int64 = 0
  /// What Python gave a name.
  private var defined: [String: Double] = [:]
  /// A call that waits; the next call comes after it.
  var busy: Waiting?
  var watches: [Int: [Int: Watch]] = [:]
  var files: Set<Int> = []
  /// How much waits in a pipe, and the reading end of a writing end.
  var pipes: [Int: Int] = [:]
  var otherEnds: [Int: Int] = [:]
  /// Calls that end later: when, and what must have come of them.
  private var pending: [(time: Int64, finish: () throws -> Void)] = []

  /// `tolerance` is in microseconds, for a script that sets none.
  init(_ script: PacketdrillScript, tolerance: Int64 = 4000) throws {
    self.script = script
    self.tolerance = tolerance
    machine = Machine(simulation: simulation)
    userland = Userland(machine: machine, commands: CommandTable.labCommands())
    userland.mountNetworkTrees()
    if let text = script.settings["tolerance_usecs"], let value = Int64(text) {
      self.tolerance = max(value, 4000)
    }
    if let text = script.settings["tolerance_percent"], let value = Double(text) {
      share = value / 100
    }
    if script.settings["ip_version"]?.hasPrefix("ipv6") == true {
      throw Ending.skipped("IPv6")
    }
    try connectWire()
  }

  private func connectWire() throws {
    let local = script.settings["local_ip"] ?? "192.168.0.1"
    let remote =
      script.settings["remote_ip"]?.split(separator: " ").first.map(String.init)
      ?? "192.0.2.1"
    guard let localAddress = IPv4Address(local), let remoteAddress = IPv4Address(remote) else {
      throw Ending.skipped("addresses that are not IPv4")
    }
    let net = remote.split(separator: ".").prefix(3).joined(separator: ".")
    let mtu = script.settings["mtu"] ?? "1500"
    let device = try machine.root.makeTun(NewLink("tun0"))
    try run(
      """
      ip link set tun0 mtu \(mtu); ip addr add \(local)/16 dev tun0
      ip link set lo up; ip link set tun0 up
      ip route add \(net).0/24 via 192.168.0.254
      """
    )
    wire = PacketdrillWire(device, simulation, local: localAddress, remote: remoteAddress)
  }

  /// Runs shell commands on the modelled machine.
  private func run(_ text: String) throws {
    let source = ShellSource(name: "script", text: text + "\n")
    let runner = LabRunner(source: source, userland: userland)
    _ = runner.run()
    defer { runner.session.close() }
    for line in runner.session.lines where line.status != 0 {
      throw Ending.skipped("the command failed: \(text.prefix(80))")
    }
  }

  var now: Int64 { simulation.now.nanoseconds / 1000 }

  /// How far from its time something may happen, given how long it takes.
  func allowance(for duration: Int64) -> Int64 {
    max(tolerance, Int64(share * Double(max(duration, 0))))
  }

  func advance(to time: Int64) throws {
    defer { if !watches.isEmpty { lookAtWatched() } }
    while let next = pending.first, next.time <= time {
      pending.removeFirst()
      simulation.run(until: Instant(nanoseconds: next.time * 1000))
      try next.finish()
    }
    if time > now { simulation.run(until: Instant(nanoseconds: time * 1000)) }
  }

  func schedule(at time: Int64, _ finish: @escaping () throws -> Void) {
    pending.append((time, finish))
    pending.sort { $0.time < $1.time }
  }

  // MARK: Events

  func run() throws {
    start = now
    last = start
    let queue = "MSG_ERRQUEUE"
    for case .call(_, let arguments, _, _) in script.events.map(\.action)
    where arguments.contains(where: { $0.contains(queue) }) {
      throw Ending.skipped("the error queue of TCP")
    }
    for event in script.events {
      do {
        try step(event)
      } catch Ending.wrong(let text) {
        throw Ending.wrong("line \(event.line): \(text)")
      }
    }
    while let final = pending.last { try advance(to: final.time) }
  }

  private func step(_ event: PacketdrillScript.Event) throws {
    let before = last
    var earliest = last
    var latest = last
    switch event.time {
    case .relative(let delay): (earliest, latest) = (last + delay, last + delay)
    case .absolute(let time): (earliest, latest) = (start + time, start + time)
    case .range(let low, let high): (earliest, latest) = (last + low, last + high)
    case .any: latest = last + 20_000_000
    }
    switch event.action {
    case .packet(let packet) where packet.isIncoming:
      try advance(to: earliest)
      try inject(packet)
      try advance(to: now + 10)
      last = max(earliest, last)
    case .packet(let packet):
      var isAnyTime = false
      if case .any = event.time { isAnyTime = true }
      let time = try expect(packet, from: earliest, to: latest, isAnyTime: isAnyTime)
      switch event.time {
      case .any, .range: last = max(time, last)
      default: last = max(earliest, last)
      }
    case .call(let name, let arguments, let result, let end):
      try advance(to: earliest)
      if let waiting = busy {
        let limit = now + 10_000_000
        while waiting.outcome == nil, now < limit { try advance(to: now + 100) }
        busy = nil
      }
      last = max(earliest, last)
      let finish = end.map { end in
        if case .absolute = event.time { return start + end }
        return before + end
      }
      try call(name, arguments, result, until: finish)
    case .command(let text):
      try advance(to: earliest)
      try execute(text)
      last = max(now, last)
      if localStart == nil && sockets.isEmpty { (start, last) = (now, now) }
    case .code(let text):
      try advance(to: max(earliest, now + 40))
      last = max(earliest, last)
      try check(text)
    }
  }

  // MARK: Packets

  private func inject(_ packet: PacketdrillScript.Packet) throws {
    if let words = packet.icmp { return try injectICMP(words) }
    var options: [UInt8] = []
    for option in packet.options ?? [] { options += try encode(option) }
    var acknowledgement: UInt32 = 0
    if let value = packet.acknowledgement {
      acknowledgement = (localStart ?? 0) &+ UInt32(truncatingIfNeeded: value)
    }
    wire.send(
      flags: packet.flags,
      sequence: UInt32(truncatingIfNeeded: packet.start),
      acknowledgement: acknowledgement,
      window: packet.window ?? 0,
      urgent: packet.urgent,
      count: packet.count,
      options: options,
      tos: packet.tos ?? 0,
      ttl: packet.ttl ?? 255
    )
  }

  private static let messages: [String: UInt8] = [
    "unreachable": 3, "source_quench": 4, "redirect": 5, "time_exceeded": 11,
    "parameter_problem": 12,
  ]
  private static let reasons = [
    "net_unreachable", "host_unreachable", "protocol_unreachable", "port_unreachable",
    "frag_needed", "source_route_failed", "net_unknown", "host_unknown", "source_host_isolated",
    "net_prohibited", "host_prohibited", "net_unreachable_for_tos",
    "host_unreachable_for_tos", "packet_filtered", "precedence_violation", "precedence_cutoff",
  ]

  private func injectICMP(_ words: [String]) throws {
    guard let type = words.first.flatMap({ Self.messages[$0] }) else {
      throw Ending.skipped("an ICMP message of another kind")
    }
    var code: UInt8 = 0
    var index = 1
    if type == 3 {
      guard words.count >= 2, let found = Self.reasons.firstIndex(of: words[1]) else {
        throw Ending.skipped("an ICMP message of another kind")
      }
      code = UInt8(found)
      index = 2
    }
    var info: UInt32 = 0
    var sequence: Int64 = 0
    while index < words.count {
      if words[index] == "mtu", index + 1 < words.count {
        info = UInt32(words[index + 1]) ?? 0
        index += 1
      } else if words[index].hasPrefix("[") {
        sequence = Int64(words[index].dropFirst().prefix { $0 != ":" }) ?? 0
      }
      index += 1
    }
    wire.sendICMP(
      type: type,
      code: code,
      info: info,
      sequence: (localStart ?? 0) &+ UInt32(truncatingIfNeeded: sequence)
    )
  }

  private func encode(_ option: String) throws -> [UInt8] {
    let words = option.split(separator: " ").map(String.init)
    switch words.first {
    case "nop": return [1]
    case "eol": return [0]
    case "sackOK": return [4, 2]
    case "mss":
      if let value = words.dropFirst().first.flatMap({ UInt16($0) }) {
        return [2, 4] + PacketdrillWire.bytes(value)
      }
    case "wscale":
      if let value = words.dropFirst().first.flatMap({ UInt8($0) }) { return [3, 3, value] }
    case "sack":
      var bytes: [UInt8] = []
      for block in words.dropFirst() {
        let ends = block.split(separator: ":").compactMap { Int64($0) }
        guard ends.count == 2 else { throw Ending.wrong("a SACK block \(block)") }
        for end in ends {
          bytes += PacketdrillWire.bytes(
            (localStart ?? 0) &+ UInt32(truncatingIfNeeded: end)
          )
        }
      }
      return [5, UInt8(2 + bytes.count)] + bytes
    case "TS":
      if words.count == 5, let value = UInt32(words[2]), let echo = UInt32(words[4]) {
        let live = stamps[echo] ?? (echo == 0 ? 0 : echo &+ (clockStart ?? 0))
        return [8, 10] + PacketdrillWire.bytes(value) + PacketdrillWire.bytes(live)
      }
    default: break
    }
    throw Ending.skipped("the TCP option \(words.first ?? "")")
  }

  /// Waits for a segment of the kernel and compares it; gives its time.
  private func expect(
    _ packet: PacketdrillScript.Packet,
    from earliest: Int64,
    to latest: Int64,
    isAnyTime: Bool
  ) throws -> Int64 {
    if packet.icmp != nil { throw Ending.skipped("an ICMP message of the kernel") }
    let slack = allowance(for: earliest - last)
    let limit = latest + slack
    while wire.next == nil && now < limit { try advance(to: min(now + 500, limit)) }
    guard var got = wire.next else {
      throw Ending.wrong("no segment came, expected \(describe(packet))")
    }
    wire.skip()
    let time = got.time
    // What the kernel hands over as one long segment goes out in several here.
    if script.settings["strict_segments"] == nil {
      while got.count < packet.count, !got.flags.contains("F") {
        let due = now + tolerance
        while wire.next == nil && now < due { try advance(to: min(now + 50, due)) }
        guard let more = wire.next, more.count > 0,
          more.sequence == got.sequence &+ UInt32(got.count)
        else { break }
        wire.skip()
        got.count += more.count
        got.flags = more.flags
      }
    }
    if packet.flags.contains("S") && localStart == nil {
      localStart = got.sequence &- UInt32(truncatingIfNeeded: packet.start)
      wire.localPort = got.sourcePort
      wire.remotePort = got.destinationPort
    }
    try compare(packet, got)
    if !isAnyTime, time < earliest - slack || time > limit {
      throw Ending.wrong(
        "\(describe(packet)) came at \(time - start), expected \(earliest - start)"
          + "...\(latest - start)"
      )
    }
    return time
  }

  private func describe(_ packet: PacketdrillScript.Packet) -> String {
    var text = "\(packet.flags) \(packet.start)(\(packet.count))"
    if let value = packet.acknowledgement { text += " ack \(value)" }
    if let value = packet.window { text += " win \(value)" }
    if let options = packet.options { text += " <\(options.joined(separator: ","))>" }
    return text
  }

  private func compare(
    _ packet: PacketdrillScript.Packet,
    _ got: PacketdrillWire.Segment
  ) throws {
    let base = localStart ?? 0
    var shown = got
    // A reset answers with the number that it was sent; others count from the first.
    shown.sequence = got.sequence &- base
    var problems: [String] = []
    if Set(packet.flags) != Set(got.flags) { problems.append("flags") }
    if UInt32(truncatingIfNeeded: packet.start) != shown.sequence { problems.append("sequence") }
    if packet.count != got.count { problems.append("length") }
    if let value = packet.acknowledgement,
      UInt32(truncatingIfNeeded: value) != got.acknowledgement
    {
      problems.append("ack")
    }
    if let value = packet.window, value != got.window { problems.append("window") }
    if let wanted = packet.tos, wanted & packet.tosMask != got.tos & packet.tosMask {
      problems.append("type of service")
    }
    if let wanted = packet.ttl, wanted != got.ttl { problems.append("TTL") }
    if let options = packet.options, !match(options, got) { problems.append("options") }
    if !problems.isEmpty {
      throw Ending.wrong(
        "\(problems.joined(separator: ", ")): expected \(describe(packet)), got \(shown.text)"
      )
    }
  }

  private func match(_ wanted: [String], _ got: PacketdrillWire.Segment) -> Bool {
    guard wanted.count == got.options.count else { return false }
    for (want, have) in zip(wanted, got.options) {
      let words = want.split(separator: " ").map(String.init)
      guard words.first == "TS" else {
        if want != have { return false }
        continue
      }
      guard have == "TS", let stamp = got.timestamp, words.count == 5,
        let value = UInt32(words[2]), let echo = UInt32(words[4])
      else { return false }
      if clockStart == nil { clockStart = stamp.value &- value }
      stamps[value] = stamp.value
      if echo != stamp.echo { return false }
      // Only a script that tells the clock's pace says what its values must be.
      if let pace = script.settings["tcp_ts_tick_usecs"].flatMap({ Int64($0) }), pace > 0 {
        let difference = Int32(bitPattern: stamp.value &- (clockStart ?? 0) &- value)
        if abs(Int64(difference)) * pace > allowance(for: now - start) + pace { return false }
      }
    }
    return true
  }

  // MARK: Commands and assertions

  private static let defaults: [(String, String)] = [
    ("tcp_rmem", "4096 540000 15728640"), ("tcp_wmem", "4096 262144 4194304"),
    ("tcp_timestamps", "1"), ("tcp_syn_retries", "5"), ("tcp_synack_retries", "5"),
    ("tcp_frto", "2"), ("tcp_sack", "1"), ("tcp_dsack", "1"), ("tcp_reordering", "3"),
    ("tcp_congestion_control", "cubic"), ("tcp_slow_start_after_idle", "0"),
    ("tcp_early_retrans", "4"), ("tcp_recovery", "1"), ("tcp_tso_win_divisor", "3"),
    ("tcp_ecn", "0"), ("tcp_pacing_ss_ratio", "200"), ("tcp_pacing_ca_ratio", "120"),
    ("tcp_notsent_lowat", "4294967295"), ("tcp_syncookies", "1"),
  ]

  private func execute(_ text: String) throws {
    let joined = text.split(separator: "\\", omittingEmptySubsequences: false)
      .joined(separator: " ")
    for part in joined.split(whereSeparator: { $0 == ";" }) {
      for command in part.split(separator: "\n") {
        try executeLine(command.trimmed)
      }
    }
  }

  private func executeLine(_ line: String) throws {
    let words = line.split(separator: " ").map(String.init)
    guard let first = words.first, !first.hasPrefix("#") else { return }
    if first.hasSuffix("defaults.sh") {
      for (name, value) in Self.defaults { try run("sysctl -q net.ipv4.\(name)='\(value)'") }
      return
    }
    let ignored = ["tc", "ethtool", "nstat", "echo"]
    if ignored.contains(first) || first.hasPrefix("/tmp/sysctl_restore") { return }
    if line.hasPrefix("ip tcp_metrics") { return }
    if first.hasSuffix("set_sysctls.py") || first.hasPrefix("/proc/sys/") {
      let rest = first.hasPrefix("/proc/sys/") ? line : String(line.dropFirst(first.count))
      for setting in rest.split(separator: "/proc/sys/") where !setting.trimmed.isEmpty {
        guard let equals = setting.firstIndex(of: "=") else { continue }
        let name = setting[..<equals].trimmed.split(separator: "/").joined(separator: ".")
        let value = setting[setting.index(after: equals)...].trimmed
          .filter { $0 != "\"" && $0 != "'" }
        try run("sysctl -q \(name)='\(value)'")
      }
      return
    }
    if first.hasPrefix("net.") { return try run("sysctl -q \(line)") }
    if words == ["sysctl", "-q"] { return }
    try run(line)
  }

  private func check(_ code: String) throws {
    guard let subject else { throw Ending.skipped("Python before there is a socket") }
    let information = subject.information
    do {
      if let failure = try PacketdrillExpression.firstFailure(
        in: code,
        defined: &defined,
        names: { PacketdrillInformation.value($0, information, subject.state) }
      ) {
        throw Ending.wrong(failure)
      }
    } catch let error as PacketdrillExpression.Unknown {
      throw Ending.skipped("Python: \(error.text.prefix(60))")
    }
  }
}
