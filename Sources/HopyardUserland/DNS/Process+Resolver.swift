import HopyardServices
import HopyardSimulator
import HopyardWire

extension Process {
  /// This process as the sockets of HopyardServices see it: signals interrupt its waits.
  public var program: Program {
    Program(
      in: namespace,
      name: name,
      pid: Int(pid),
      uid: uid,
      environment: environment,
      files: { [weak self] path in
        guard let self else { return nil }
        return try? self.contents(of: path)
      },
      interruptions: interruptions,
      isInterrupted: { [weak self] in self?.isInterrupted ?? false }
    )
  }

  /// The C library's resolver in this process: musl's where the machine is an Alpine.
  var resolver: Resolver {
    let isAlpine = (try? contents(of: "/etc/alpine-release")) != nil
    let resolver = Resolver(
      program,
      library: isAlpine ? .musl : .glibc,
      hostname: userland.hostname
    )
    // A machine that has no such file at all has no name server either.
    if (try? contents(of: "/etc/resolv.conf")) == nil { resolver.configuration.servers = [] }
    return resolver
  }

  /// Finds the addresses of a name, as `getaddrinfo` does.
  func addresses(of name: String, _ family: Resolver.Family = .any) async throws(ProcessExit)
    -> Result<Resolver.Result, ResolutionFailure>
  {
    do throws(ResolutionFailure) {
      return .success(try await resolver.lookup(name, family))
    } catch {
      if error == .interrupted {
        try takeInterruption()
        return .failure(.tryAgain)
      }
      return .failure(error)
    }
  }

  /// Finds the first IPv4 address of a name.
  func address(of name: String, _ family: Resolver.Family = .any) async throws(ProcessExit)
    -> Result<IPv4Address, ResolutionFailure>
  {
    switch try await addresses(of: name, family) {
    case .failure(let error): return .failure(error)
    case .success(let found):
      for case .v4(let address) in found.addresses { return .success(address) }
      return .failure(.addressFamily)
    }
  }

  /// The name of an address, as `getnameinfo` finds it; the address itself where it has no name,
  /// and nil when no server could tell.
  func name(of address: IPv4Address) async throws(ProcessExit) -> String? {
    do throws(ResolutionFailure) {
      return try await resolver.name(of: .v4(address)).canonicalName
    } catch {
      if error == .interrupted { try takeInterruption() }
      return error == .tryAgain ? nil : address.description
    }
  }
}
