import HopyardServices
import HopyardSimulator
import HopyardWire

/// `curl`, version 7.88 in Debian, for HTTP/1.
enum CurlCommand {
  static let command = Command(
    "curl",
    check: { check in
      check.checkOptions(CurlOptions.specification)
    },
    run: { process, arguments async throws(ProcessExit) in
      process.name = "curl"
      let parsed: ParsedOptions
      switch CurlOptions.specification.parse(arguments) {
      case .success(let found): parsed = found
      case .failure(.refused(_, let message)): throw .refused("curl: \(message)")
      case .failure(.usage(let message)):
        try await process.printError("curl: \(reworded(message))\n" + CurlOptions.hint)
        return 2
      }
      if parsed.has("V") {
        try await process.print(
          "curl 7.88.1 (x86_64-pc-linux-gnu) libcurl/7.88.1\nRelease-Date: 2023-02-20\n"
            + "Protocols: http\nFeatures: AsynchDNS Largefile threadsafe\n"
        )
        return 0
      }
      if parsed.has("h") {
        try await process.print("Usage: curl [options...] <url>\n")
        return 0
      }
      let options: CurlOptions
      do throws(CurlOptions.Failure) {
        options = try CurlOptions(parsed, process)
      } catch {
        try await process.printError(error.message)
        return error.status
      }
      return try await CurlSession(process, options).run()
    }
  )

  /// What `getopt` says in curl's words.
  private static func reworded(_ message: String) -> String {
    let name = message.split(separator: "'").dropFirst().first.map(String.init) ?? message
    let option = name.hasPrefix("--") ? name : "-\(name)"
    if message.hasPrefix("option") && message.contains("requires") {
      return "option \(option): requires parameter"
    }
    return "option \(option): is unknown"
  }
}

/// Why a transfer failed: curl's code and words.
struct CurlFailure: Error {
  var code: Int32
  var message: String
}

/// One run of `curl`: its transfers, its open connections, and its output, which it keeps back as
/// the C library does for what is no terminal.
final class CurlSession {
  /// A connection that may be used again.
  struct Connection {
    var number: Int
    var key: String
    var host: String
    var stream: TCPStream
    var parser: HTTPParser
  }

  let process: Process
  let options: CurlOptions
  let program: Program
  private var output: [UInt8] = []
  private var files: [String: OpenFile] = [:]
  var idle: [Connection] = []
  var connectionCount = 0

  init(_ process: Process, _ options: CurlOptions) {
    self.process = process
    self.options = options
    program = process.program
  }

  func run() async throws(ProcessExit) -> Int32 {
    var status: Int32 = 0
    do throws(ProcessExit) {
      for (index, target) in options.targets.enumerated() {
        status = try await run(target, index)
      }
      for connection in idle { connection.stream.close() }
      try await flush()
    } catch {
      for connection in idle { connection.stream.close() }
      throw error
    }
    for path in files.keys.sorted() { files[path]?.release() }
    return status
  }

  private func run(_ target: CurlOptions.Target, _ index: Int) async throws(ProcessExit) -> Int32 {
    var attempt = 0
    while true {
      let transfer = CurlTransfer(self, target, index)
      if options.showsProgress, !options.isSilent,
        target.output != nil || target.usesRemoteName || index == 0
      {
        try await process.printError(CurlTransfer.progressHeading)
      }
      var failure: CurlFailure?
      do throws(CurlFailure) {
        try await transfer.perform()
      } catch {
        failure = error
      }
      try process.takeInterruption()
      if let problem = transfer.problem { throw problem }
      if options.showsProgress, !options.isSilent {
        try await process.printError(transfer.progressLine)
      }
      let status = failure?.code ?? 0
      let mayRetry = attempt < options.retries && isTransient(status, transfer.status)
      if let failure, !options.isSilent || options.showsErrors, !failure.message.isEmpty {
        try await process.printError("curl: (\(failure.code)) \(failure.message)\n")
      }
      guard mayRetry else {
        transfer.failure = failure
        if let format = options.writeOut {
          let text = CurlWriteOut(transfer).expand(format)
          try await write(Array(text.utf8), to: nil)
        }
        return status
      }
      let wait = options.retryDelay > 0 ? options.retryDelay : .seconds(1) << min(attempt, 9)
      if !options.isSilent {
        let left = options.retries - attempt
        try await process.printError(
          "Warning: Problem: \(status == 0 ? "HTTP error" : "timeout"). Will retry in "
            + "\(wait / 1_000_000_000) seconds. \(left) \(left == 1 ? "retry" : "retries") left.\n"
        )
      }
      attempt += 1
      try await process.sleep(nanoseconds: min(wait, .seconds(600)))
    }
  }

  private func isTransient(_ code: Int32, _ status: Int) -> Bool {
    if options.retriesAll, code != 0 { return true }
    switch code {
    case 0, 22: return [408, 429, 500, 502, 503, 504].contains(status)
    case 28, 6: return true
    case 7: return options.retriesRefused
    default: return false
    }
  }

  /// Writes to standard output, which is kept back, or to a file.
  func write(_ bytes: [UInt8], to path: String?) async throws(ProcessExit) {
    guard let path, path != "-" else {
      output += bytes
      if output.count >= 4096 { try await flush() }
      return
    }
    let file: OpenFile
    if let known = files[path] {
      file = known
    } else {
      do {
        file = try process.open(path, .write)
      } catch {
        throw .failed(error)
      }
      file.retain()
      files[path] = file
    }
    var rest = bytes[...]
    while !rest.isEmpty {
      do {
        rest = rest.dropFirst(try file.tryWrite(rest))
      } catch {
        throw .failed(error)
      }
    }
  }

  private func flush() async throws(ProcessExit) {
    guard !output.isEmpty else { return }
    let bytes = output
    output = []
    try await process.write(bytes)
  }

  /// A line of what goes on, for `-v`.
  func say(_ text: String, _ mark: String = "*") async throws(ProcessExit) {
    if options.isVerbose { try await process.printError("\(mark) \(text)\n") }
  }
}
