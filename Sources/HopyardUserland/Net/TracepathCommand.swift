import HopyardServices
import HopyardSimulator
import HopyardWire

/// `tracepath`, as iputils has it: the hops to a host and the path MTU, by UDP.
struct TracepathCommand {
  static let specification = OptionSpecification("4nbl:m:p:", refused: "6V")

  static let usage = """

    Usage
      tracepath [options] <destination>

    Options:
      -4             use IPv4
      -6             use IPv6
      -b             print both name and IP
      -l <length>    use packet <length>
      -m <hops>      use maximum <hops>
      -n             no reverse DNS name resolution
      -p <port>      use destination <port>
      -V             print version and exit
      <destination>  DNS name or IP address

    For more details see tracepath(8).

    """

  static let command = Command("tracepath", options: specification) {
    process,
    arguments async throws(ProcessExit) in
    process.name = "tracepath"
    let parsed = try await process.options(specification, arguments, usage: usage)
    guard let host = parsed.operands.first, parsed.operands.count == 1 else {
      try await process.printError(usage)
      return 1
    }
    var command = TracepathCommand(process)
    let parts = host.split(separator: "/", maxSplits: 1).map(String.init)
    command.port = parts.count > 1 ? UInt16(parts[1]) ?? 44_444 : 44_444
    if let port = parsed["p"].flatMap({ UInt16($0) }) { command.port = port }
    command.isNumeric = parsed.has("n")
    command.showsBoth = parsed.has("b")
    if let length = parsed["l"] {
      guard let size = Int(length), (28...128_000).contains(size) else {
        try await process.printError("tracepath: pktlen must be within: 28 < value <= 128000\n")
        return 1
      }
      command.mtu = min(size, 65_535)
    }
    if let hops = parsed["m"] {
      guard let count = Int(hops), (1...255).contains(count) else {
        try await process.printError("tracepath: invalid argument: '\(hops)'\n")
        return 1
      }
      command.maximumHops = count
    }
    switch try await process.address(of: parts.first ?? host) {
    case .success(let address): return try await command.run(to: address)
    case .failure(let error):
      try await process.printError("tracepath: \(host): \(error.text)\n")
      return 1
    }
  }

  private let process: Process
  private var port: UInt16 = 44_444
  private var isNumeric = false
  private var showsBoth = false
  private var mtu = 65_535
  private var maximumHops = 30
  private var sequence = 0
  private var hops: Int?

  /// What came of a probe.
  private enum Outcome {
    /// The end of the trace.
    case done
    /// A hop was told of.
    case progress
    /// Nothing came.
    case silence
  }

  private init(_ process: Process) { self.process = process }

  private mutating func run(to target: IPv4Address) async throws(ProcessExit) -> Int32 {
    let socket = process.namespace.sockets.makeUDP()
    defer { socket.close() }
    process.own(socket)
    socket.options.pathMTUDiscovery = .probe
    socket.options.receivesErrors = true
    for ttl in 1...maximumHops {
      socket.options.ttl = UInt8(ttl)
      var outcome = Outcome.silence
      var tries = 0
      while tries < 3 {
        let before = mtu
        outcome = try await probe(socket, target, ttl)
        if mtu != before {
          tries = 0
          continue
        }
        if case .silence = outcome {
          tries += 1
          continue
        }
        break
      }
      switch outcome {
      case .done:
        try await process.print(
          "     Resume: pmtu \(mtu) " + (hops.map { "hops \($0) " } ?? "") + "\n"
        )
        return 0
      case .silence: try await process.print("\(String(ttl).leftPadded(2)):  no reply\n")
      case .progress: break
      }
    }
    try await process.print("     Too many hops: pmtu \(mtu)\n     Resume: pmtu \(mtu) \n")
    return 0
  }

  /// Sends one datagram as long as the path may take, and waits a second for what it causes.
  private mutating func probe(_ socket: UDPSocket, _ target: IPv4Address, _ ttl: Int)
    async throws(ProcessExit) -> Outcome
  {
    var sent: Instant?
    for _ in 0..<10 {
      let probePort = port &+ UInt16(sequence)
      let size = max(mtu - 28, 0)
      do {
        sent = process.simulation.now
        try socket.send(
          [UInt8](repeating: 0, count: min(size, 65_507)),
          to: target,
          port: probePort
        )
        break
      } catch {
        sent = nil
        if error == .networkUnreachable || error == .hostUnreachable, socket.errorQueue.isEmpty {
          try await process.print("\(String(ttl).leftPadded(2)):  send failed\n")
          return .done
        }
        switch try await takeErrors(socket, ttl, nil) {
        case .done: return .done
        case .progress: return .progress
        case .silence: continue
        }
      }
    }
    guard let sent else {
      try await process.print("\(String(ttl).leftPadded(2)):  send failed\n")
      return .done
    }
    sequence = (sequence + 1) & 63
    let deadline = sent + .seconds(1)
    _ = try await process.waitToRead(socket, until: deadline)
    if socket.receive() != nil {
      try await process.print("\(String(ttl).leftPadded(2))?: reply received 8)\n")
      return .done
    }
    return try await takeErrors(socket, ttl, sent)
  }

  private mutating func takeErrors(_ socket: UDPSocket, _ ttl: Int, _ sent: Instant?)
    async throws(ProcessExit) -> Outcome
  {
    var outcome = Outcome.silence
    _ = socket.takeError()
    while let report = socket.takeErrorReport() {
      outcome = .progress
      var text: String
      if report.isLocal {
        text = "\(String(ttl).leftPadded(2))?: " + "[LOCALHOST]".padded(52)
      } else {
        text = "\(String(ttl).leftPadded(2)):  "
        text += try await name(of: report.offender ?? .any).padded(52)
      }
      if let sent, !report.isLocal {
        let time = (process.simulation.now - sent) / 1000
        text +=
          String(time / 1000).leftPadded(3) + "." + DecimalText.zeroPadded(time % 1000, 3) + "ms "
      }
      switch report.error {
      case .messageTooLong:
        mtu = Int(report.info)
        text += "pmtu \(mtu)\n"
      case .connectionRefused:
        hops = ttl
        try await process.print(text + "reached\n")
        return .done
      case .hostUnreachable where report.type == 11: text += "\n"
      case .hostUnreachable:
        try await process.print(text + "!H\n")
        return .done
      case .networkUnreachable:
        try await process.print(text + "!N\n")
        return .done
      case .protocolNotAvailable, .protocolNotSupported:
        try await process.print(text + "!P\n")
        return .done
      case .accessDenied:
        try await process.print(text + "!A\n")
        return .done
      default: text += "\n"
      }
      try await process.print(text)
    }
    return outcome
  }

  private func name(of address: IPv4Address) async throws(ProcessExit) -> String {
    if isNumeric { return "\(address)" }
    let name = try await process.name(of: address) ?? "\(address)"
    return showsBoth ? "\(name) (\(address))" : name
  }
}
