import HopyardSimulator
import HopyardWire

/// `ss`: the sockets of a namespace.
enum SocketStatisticsCommand {
  static let specification = OptionSpecification(
    "utwanlpH4Orsoi",
    long: [
      "udp=u", "tcp=t", "raw=w", "all=a", "numeric=n", "listening=l", "processes=p",
      "no-header=H", "ipv4=4", "oneline=O", "summary=s",
      "options=o", "info=i",
    ],
    refused: "x06emZzbEKNf:A:D:F:dSMTQhV",
    refusedLong: [
      "unix", "packet", "ipv6", "extended", "memory", "context", "contexts",
      "bpf", "events", "kill", "net:", "family:", "query:", "socket:", "diag:", "filter:", "dccp",
      "sctp", "mptcp", "vsock", "xdp", "tipc", "help", "version", "resolve",
    ]
  )

  static let command = Command(
    "ss",
    check: { check in
      check.checkOptions(specification)
      guard case .success(let parsed) = specification.parse(check.texts) else { return }
      if !["u", "t", "w", "s"].contains(where: { parsed.has($0) }) {
        check.report(nil, "ss without -t, -u or -w is not modelled")
      }
      if parsed.has("r") || parsed.has("s") { check.report(nil, "ss -r and -s are not modelled") }
    },
    run: { process, arguments async throws(ProcessExit) in
      let parsed = try await process.options(specification, arguments)
      let filter: SocketFilter
      do throws(SocketFilter.Mistake) {
        filter = try SocketFilter(parsed.operands)
      } catch {
        try await process.printError(error.text)
        return error.status
      }
      return try await show(process, parsed, filter)
    }
  )

  private static func show(_ process: Process, _ parsed: ParsedOptions, _ filter: SocketFilter)
    async throws(ProcessExit) -> Int32
  {
    var rows: [SocketRow] = []
    for socket in process.namespace.sockets.all.reversed() {
      if parsed.has("w"), let raw = socket as? RawSocket { rows.append(SocketRow(raw)) }
    }
    if parsed.has("u") {
      let sockets = process.namespace.sockets.all.compactMap { $0 as? UDPSocket }
      rows += sockets.filter { $0.localPort != 0 }.map(SocketRow.init)
    }
    if parsed.has("t") {
      let connections = process.namespace.sockets.connections.filter { $0.state != .closed }
      rows += connections.filter { $0.state == .listen }.map(SocketRow.init)
      rows += connections.filter { $0.state != .listen }.map(SocketRow.init)
    }
    let listens = parsed.has("l")
    let all = parsed.has("a")
    let devices: DeviceTable = process.namespace.devices
    rows = rows.filter { row in
      let device = devices[row.ifindex]?.name
      if let states = filter.states {
        return states.contains(row.state) && filter.matches(row, device: device)
      }
      let isIdle = row.state == "LISTEN" || row.state == "UNCONN"
      let shown =
        all || (listens ? isIdle : !isIdle && !["TIME-WAIT", "SYN-RECV"].contains(row.state))
      return shown && filter.matches(row, device: device)
    }
    for index in rows.indices {
      rows[index].owner = parsed.has("p") ? rows[index].owner : ""
      guard let information = rows[index].information else { continue }
      if parsed.has("o") { rows[index].owner += SocketDetails.timer(information) }
      if parsed.has("i") {
        if !parsed.has("O") { rows[index].owner += "\n\t" }
        rows[index].owner += SocketDetails.text(
          information,
          isListening: rows[index].state == "LISTEN",
          showsOptions: parsed.has("o"),
          isNumeric: parsed.has("n")
        )
      }
    }
    let kinds = ["u", "t", "w"].count { parsed.has($0) }
    // Datagram sockets alone are shown in one state, connected, unless more is asked for.
    let isOneState = !parsed.has("t") && !all && !listens
    let text = table(
      rows,
      showsKind: kinds > 1,
      showsState: (filter.states?.count ?? (isOneState ? 1 : 2)) > 1,
      showsHeader: !parsed.has("H"),
      isNumeric: parsed.has("n"),
      process.namespace
    )
    try await process.print(text)
    return 0
  }

  private static func table(
    _ rows: [SocketRow],
    showsKind: Bool,
    showsState: Bool,
    showsHeader: Bool,
    isNumeric: Bool,
    _ namespace: NetworkNamespace
  ) -> String {
    // The title, whether it is set to the right, and what separates it from the column before.
    let columns: [(title: String, isRight: Bool, separator: String)] = [
      ("Netid", false, ""), ("State", false, " "), ("Recv-Q", false, " "),
      ("Send-Q", false, " "), ("Local Address:", true, " "), ("Port", false, ""),
      ("Peer Address:", true, " "), ("Port", false, ""), ("Process", false, ""),
    ]
    var lines: [[String]] = showsHeader ? [columns.map(\.title)] : []
    for row in rows {
      var address = row.localAddress.description
      if let device = namespace.devices[row.ifindex] { address += "%\(device.name)" }
      lines.append([
        row.kind, row.state, String(row.receiveQueue).padded(6), String(row.sendQueue).padded(6),
        address + ":", row.port(row.localPort, isNumeric: isNumeric),
        row.remoteAddress.description + ":",
        row.remotePort == 0 ? "*" : row.port(row.remotePort, isNumeric: isNumeric),
        row.owner,
      ])
    }
    var widths = columns.map { _ in 0 }
    for line in lines {
      // What stands on a line of its own takes no column.
      for (index, cell) in line.enumerated() where !cell.contains("\n") {
        widths[index] = max(widths[index], cell.utf8.count)
      }
    }
    var text = ""
    for line in lines {
      for (index, cell) in line.enumerated() {
        if index == 0 && !showsKind { continue }
        if index == 1 && !showsState { continue }
        let isFirst = index == (showsKind ? 0 : showsState ? 1 : 2)
        if !isFirst { text += columns[index].separator }
        if cell.contains("\n") {
          text += cell
        } else {
          text +=
            columns[index].isRight ? cell.leftPadded(widths[index]) : cell.padded(widths[index])
        }
      }
      text += "\n"
    }
    return text
  }
}

/// A line of `ss`.
struct SocketRow {
  var kind: String
  var state: String
  var receiveQueue: Int
  var sendQueue: Int
  var localAddress: IPv4Address
  var localPort: UInt16
  var remoteAddress: IPv4Address
  var remotePort: UInt16
  var ifindex: Int32
  var owner = ""
  /// What the kernel tells of a connection.
  var information: TCPInformation?
  /// The program that has it.
  var program: (name: String, pid: Int)?

  private init(_ socket: Socket, kind: String) {
    self.kind = kind
    state = "UNCONN"
    receiveQueue = socket.queuedBytes
    sendQueue = 0
    localAddress = .any
    localPort = 0
    remoteAddress = .any
    remotePort = 0
    ifindex = socket.options.boundIfindex
    if let owner = socket.owner {
      program = (owner.name, owner.pid)
      self.owner = " users:((\"\(owner.name)\",pid=\(owner.pid),fd=\(owner.descriptor)))"
    }
  }

  init(_ socket: UDPSocket) {
    self.init(socket, kind: "udp")
    state = socket.isConnected ? "ESTAB" : "UNCONN"
    localAddress = socket.localAddress
    localPort = socket.localPort
    remoteAddress = socket.remoteAddress
    remotePort = socket.remotePort
  }

  init(_ socket: RawSocket) {
    self.init(socket, kind: "raw")
    localAddress = socket.localAddress
    localPort = UInt16(socket.ipProtocol.rawValue)
    remoteAddress = socket.remoteAddress
  }

  init(_ socket: TCPSocket) {
    self.init(socket, kind: "tcp")
    information = socket.information
    receiveQueue = socket.receivedCount
    sendQueue = socket.unsentCount
    localAddress = socket.localAddress
    localPort = socket.localPort
    remoteAddress = socket.remoteAddress
    remotePort = socket.remotePort
    switch socket.state {
    case .closed: state = "UNCONN"
    case .listen:
      state = "LISTEN"
      remoteAddress = .any
      remotePort = 0
    case .synSent: state = "SYN-SENT"
    case .synReceived: state = "SYN-RECV"
    case .established: state = "ESTAB"
    case .finWait1: state = "FIN-WAIT-1"
    case .finWait2: state = "FIN-WAIT-2"
    case .closeWait: state = "CLOSE-WAIT"
    case .closing: state = "CLOSING"
    case .lastAck: state = "LAST-ACK"
    case .timeWait: state = "TIME-WAIT"
    }
  }

  func port(_ number: UInt16, isNumeric: Bool) -> String {
    if isNumeric { return String(number) }
    if kind == "raw" { return IPProtocol(rawValue: UInt8(truncatingIfNeeded: number)).description }
    return ServiceNames.name(number, isUDP: kind == "udp") ?? String(number)
  }
}
