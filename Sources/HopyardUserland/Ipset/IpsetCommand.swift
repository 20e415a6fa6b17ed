import HopyardSimulator
import HopyardWire

/// ipset(8): sets of addresses, ports and the like that rules ask.
enum IpsetCommand {
  /// The command for the table.
  static let command = Command("ipset", check: { check($0) }) {
    process,
    arguments throws(ProcessExit) in
    try await run(process, arguments)
  }

  private static func check(_ check: CommandCheck) {
    for (index, text) in check.texts.enumerated() {
      if let text, ["-r", "-resolve", "--resolve"].contains(text) {
        check.report(index, "-resolve of ipset is not modelled")
      }
    }
  }

  private static func run(
    _ process: Process,
    _ arguments: [String]
  ) async throws(ProcessExit) -> Int32 {
    guard let netfilter = process.namespace.netfilter else { return 1 }
    let session = IpsetSession(netfilter) { process.resolve($0) }
    var status: Int32 = 0
    var refusal: String?
    do throws(IpsetFailure) {
      switch try session.run(arguments) {
      case .done: break
      case .restore:
        let bytes = try await input(process, session.file)
        try session.restore(String(decoding: bytes, as: UTF8.self))
      case .interactive:
        try await converse(process, session)
      }
    } catch {
      if case .refused(let text) = error { refusal = text }
      status = session.report(error)
    }
    try await flush(process, session)
    if let refusal { throw .refused(refusal) }
    return status
  }

  private static func input(
    _ process: Process,
    _ file: String?
  ) async throws(IpsetFailure) -> [UInt8] {
    do throws(ProcessExit) {
      guard let file else { return try await process.readAll() }
      guard let bytes = try? process.contents(of: file) else { throw .status(255) }
      return bytes
    } catch {
      if case .refused(let text) = error { throw .refused(text) }
      if case .status(let status) = error { throw .silent(status) }
      throw .silent(1)
    }
  }

  /// Reads commands one by one; what fails is told, and the next is read.
  private static func converse(
    _ process: Process,
    _ session: IpsetSession
  ) async throws(IpsetFailure) {
    session.isInteractive = true
    do throws(ProcessExit) {
      try await process.print("ipset> ")
      while let bytes = try await process.readLine() {
        var text = String(decoding: bytes, as: UTF8.self)[...]
        if text.hasSuffix("\n") { text = text.dropLast() }
        text = text.drop { $0.isWhitespace }
        do throws(IpsetFailure) {
          if text.isEmpty || text.hasPrefix("#") {
            session.output += "ipset> "
          } else {
            _ = try session.run(try IpsetSession.words(text))
          }
        } catch {
          if case .silent(0) = error {
            try await flush(process, session)
            return
          }
          if case .refused(let reason) = error { throw .refused(reason) }
          _ = session.report(error)
        }
        session.output += "ipset> "
        try await flush(process, session)
      }
    } catch {
      if case .refused(let text) = error { throw .refused(text) }
      throw .silent(1)
    }
  }

  private static func flush(_ process: Process, _ session: IpsetSession) async throws(ProcessExit) {
    let errors = session.errors
    let output = session.output
    session.errors = ""
    session.output = ""
    if !errors.isEmpty { try await process.printError(errors) }
    guard !output.isEmpty else { return }
    guard let file = session.file else {
      try await process.print(output)
      return
    }
    do {
      try process.userland.files.write(process.path(file), Array(output.utf8))
    } catch {
      throw .status(255)
    }
  }
}

extension CommandTable {
  /// Adds ipset(8).
  public func addIpsetCommand() { add(IpsetCommand.command) }
}
