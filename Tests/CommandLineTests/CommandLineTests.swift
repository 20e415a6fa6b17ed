import Foundation
import Testing

/// What a run of the built command gave.
struct CommandRun {
  var status: Int32
  var output: String
  var errors: String
}

/// Runs the command that was built beside these tests.
func hopyard(
  _ arguments: [String],
  input: String = "",
  in directory: URL? = nil
) throws -> CommandRun {
  let products = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
  let process = Process()
  process.executableURL = products.appendingPathComponent("hopyard")
  process.arguments = arguments
  process.currentDirectoryURL = directory
  let inputPipe = Pipe()
  let outputPipe = Pipe()
  let errorPipe = Pipe()
  process.standardInput = inputPipe
  process.standardOutput = outputPipe
  process.standardError = errorPipe
  try process.run()
  inputPipe.fileHandleForWriting.write(Data(input.utf8))
  try inputPipe.fileHandleForWriting.close()
  let output = outputPipe.fileHandleForReading.readDataToEndOfFile()
  let errors = errorPipe.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  return CommandRun(
    status: process.terminationStatus,
    output: String(decoding: output, as: UTF8.self),
    errors: String(decoding: errors, as: UTF8.self)
  )
}

/// A folder that is gone when the test ends.
final class ScratchFolder {
  let url = FileManager.default.temporaryDirectory
    .appendingPathComponent("hopyard-\(UUID().uuidString)")

  init() throws {
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  func write(_ name: String, _ text: String) throws -> String {
    let file = url.appendingPathComponent(name)
    try Data(text.utf8).write(to: file)
    return file.path
  }

  func files() throws -> [String: Data] {
    var result: [String: Data] = [:]
    for name in FileManager.default.enumerator(atPath: url.path)?.allObjects as? [String] ?? [] {
      var isDirectory: ObjCBool = false
      let path = url.appendingPathComponent(name).path
      guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory),
        !isDirectory.boolValue
      else { continue }
      result[name] = FileManager.default.contents(atPath: path)
    }
    return result
  }
}

/// Two hosts that ping each other.
let twoHosts = """
  ip netns add a
  ip link add v0 type veth peer name eth0 netns a
  ip addr add 10.0.0.1/24 dev v0; ip link set v0 up
  ip -n a addr add 10.0.0.2/24 dev eth0; ip -n a link set eth0 up
  ping -c 1 10.0.0.2
  """

@Suite struct CommandLineTests {
  @Test func `the version and the help are printed`() throws {
    #expect(try hopyard(["--version"]).output.hasPrefix("hopyard "))
    let help = try hopyard(["--help"])
    #expect(help.status == 0)
    #expect(help.output.contains("ip netns add a"))
  }

  @Test func `a lab runs from standard input`() throws {
    let run = try hopyard(["run", "-"], input: twoHosts)
    #expect(run.status == 0)
    #expect(run.errors.isEmpty)
    #expect(run.output.contains("1 packets transmitted, 1 received, 0% packet loss"))
  }

  @Test(arguments: [
    ("frobnicate\n", "stdin:1:1: "), ("echo a\necho 'b\n", "stdin:2:"),
    ("ping --no-such-option\nnosuch x\n", "stdin:2:1: "),
  ])
  func `what is not modelled is refused with its place before anything runs`(
    lab: String,
    place: String
  ) throws {
    for command in ["run", "check"] {
      let run = try hopyard([command, "-"], input: "echo first\n" + lab)
      #expect(run.status == 2)
      #expect(run.output.isEmpty)
      let moved = place.split(separator: ":")
      let line = (Int(moved[1]) ?? 0) + 1
      #expect(run.errors.contains("stdin:\(line):"), "\(run.errors)")
    }
  }

  @Test func `set -e ends the run with 1 and the shell's story goes on without it`() throws {
    #expect(try hopyard(["run", "-"], input: "false\necho on\n").output == "on\n")
    #expect(try hopyard(["run", "-"], input: "false\n").status == 0)
    let run = try hopyard(["run", "-"], input: "set -e\nfalse\necho on\n")
    #expect(run.status == 1)
    #expect(run.output.isEmpty)
  }

  @Test func `a time limit ends the run with 1`() throws {
    let run = try hopyard(["run", "-", "--until", "2s"], input: "sleep 5\n")
    #expect(run.status == 1)
    #expect(run.errors.contains("time limit"))
  }

  @Test func `files that cannot be read or written are named`() throws {
    let missing = try hopyard(["run", "/nonexistent/a.lab"])
    #expect(missing.status == 2)
    #expect(missing.errors == "/nonexistent/a.lab: No such file or directory\n")
    let full = try hopyard(["run", "-", "--pcapng", "/dev/full"], input: twoHosts)
    #expect(full.status == 2)
    #expect(full.errors.contains("/dev/full: No space left on device"))
  }

  @Test func `two runs give the same bytes`() throws {
    let scratch = try ScratchFolder()
    let lab = try scratch.write("two.lab", twoHosts)
    var seen: [[String: Data]] = []
    for number in 0..<2 {
      let folder = try ScratchFolder()
      let run = try hopyard(
        [
          "run", lab, "--seed", "7", "--pcap", "pcap", "--pcapng", "all.pcapng", "--record",
          "record", "--state", "state",
        ],
        in: folder.url
      )
      #expect(run.status == 0, "run \(number): \(run.errors)")
      var files = try folder.files()
      files["output"] = Data(run.output.utf8)
      seen.append(files)
    }
    #expect(seen[0].keys.sorted() == seen[1].keys.sorted())
    #expect(seen[0].count > 20)
    for (name, bytes) in seen[0] { #expect(seen[1][name] == bytes, "\(name)") }
    #expect(seen[0]["pcap/host/v0.pcap"] != nil)
    #expect(seen[0]["record/capture/a.pcapng"] != nil)
  }

  @Test func `journeys are explained as text and as JSON lines`() throws {
    let text = try hopyard(["run", "-", "--explain"], input: twoHosts)
    #expect(text.status == 0)
    #expect(text.output.contains("delivered"))
    let json = try hopyard(["run", "-", "--json"], input: twoHosts)
    #expect(json.status == 0)
    let keys: Set = [
      "time", "packet", "namespace", "device", "stage", "table", "chain", "rule", "text",
      "verdict", "before", "after",
    ]
    let lines = json.output.split(separator: "\n")
    #expect(lines.count > 4)
    for line in lines {
      let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
      #expect(object.map { Set($0.keys) } == keys)
    }
  }

  @Test func `the shell goes on where the lab ended`() throws {
    let scratch = try ScratchFolder()
    let lab = try scratch.write("two.lab", twoHosts)
    let run = try hopyard(
      ["shell", lab],
      input: "x=5\necho $((x + 1))\nfor i in 1 2\ndo echo i$i\ndone\nip -br link\n"
    )
    #expect(run.status == 0)
    #expect(run.output.contains("6\ni1\ni2\n"))
    #expect(run.output.contains("v0@if"))
  }
}
