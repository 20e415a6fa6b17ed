import HopyardServices
import HopyardSimulator
import HopyardWire
import Testing

@Suite struct SocketTests {
  @Test func aStreamCarriesBytesBothWays() throws {
    let pair = try PairFixture()
    let server = try TCPServer(Program(in: pair.server), port: 7000)
    pair.simulation.spawn {
      try? await server.serve { stream in
        while let bytes = try? await stream.read(), !bytes.isEmpty {
          try? await stream.write(bytes.reversed())
        }
      }
    }
    let program = pair.program()
    let echoed = pair.run { () -> [UInt8]? in
      guard
        let stream = try? await TCPStream.connect(program, to: IPv4Address(10, 0, 0, 2), port: 7000)
      else { return nil }
      defer { stream.close() }
      try? await stream.write([1, 2, 3])
      return try? await stream.readExactly(3)
    }
    #expect(echoed == [3, 2, 1])
  }

  @Test func aRefusalIsAnErrno() throws {
    let pair = try PairFixture()
    let program = pair.program()
    let error = pair.run { () -> SocketError? in
      do throws(SocketError) {
        _ = try await TCPStream.connect(program, to: IPv4Address(10, 0, 0, 2), port: 7000)
        return nil
      } catch {
        return error
      }
    }
    #expect(error == .connectionRefused)
  }

  @Test func aConnectTimeoutEndsTheWait() throws {
    let pair = try PairFixture()
    let program = pair.program()
    let outcome = pair.run { () -> (SocketError?, Int64) in
      do throws(SocketError) {
        _ = try await TCPStream.connect(
          program,
          to: IPv4Address(10, 0, 0, 9),
          port: 80,
          timeout: .milliseconds(500)
        )
        return (nil, 0)
      } catch {
        return (error, pair.simulation.now.nanoseconds)
      }
    }
    #expect(outcome?.0 == .inProgress)
    #expect((500_000_000...501_000_000).contains(outcome?.1 ?? 0))
  }

  @Test func pingsAnswer() throws {
    let pair = try PairFixture()
    let program = pair.program()
    let time = pair.run { () -> Int64? in
      let endpoint = RawEndpoint(program, .icmp)
      defer { endpoint.close() }
      return
        (try? await endpoint.ping(IPv4Address(10, 0, 0, 2), identifier: 7, sequence: 1)) ?? nil
    }
    #expect((time ?? nil) != nil)
  }
}
