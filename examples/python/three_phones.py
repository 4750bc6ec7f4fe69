"""Searches for one network on three phones at once, without having any of them.

    python examples/python/three_phones.py

The latency models come with latgrad: they were calibrated from measurements that others published (data/models). The scores
of the candidates are made up, as a supernet's theta would be; the search is exact.
"""

import torch

import latgrad

PHONES = {"pixel3": 16.0, "samsung_s7": 50.0, "raspi4": 30.0}  # each with its budget in ms


def main():
    models = {phone: latgrad.load_model(latgrad.model_file(phone)) for phone in PHONES}
    first = next(iter(models.values()))
    table_us = torch.stack([model.table_us() for model in models.values()])  # [D, L, C]
    fixed_us = torch.tensor([model.fixed_us() for model in models.values()], dtype=torch.float64)
    budgets_us = 1e3 * torch.tensor(list(PHONES.values()), dtype=torch.float64)

    # The gradient of all three latencies at once, for a supernet's loss.
    theta = torch.zeros(table_us.shape[1:], dtype=torch.float64, requires_grad=True)
    latency_us = latgrad.softmax_latency(theta, table_us, first.valid()) + fixed_us  # [D]
    latgrad.fleet_max(latency_us / budgets_us).backward()
    print("expected latency before the search, ms:", [round(us / 1e3, 2) for us in latency_us.tolist()])

    # The best architecture that meets all three budgets, proven.
    scores = torch.randn(theta.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    arch, score, cost_us = latgrad.best_architectures(scores, table_us, budgets_us - fixed_us, valid=first.valid())
    print("architecture:", " ".join(first.decode(arch[0])))
    for phone, total_us in zip(PHONES, cost_us[0] + fixed_us):
        print(f"{phone:12} {float(total_us) / 1e3:6.2f} ms of {PHONES[phone]:.0f} ms")


if __name__ == "__main__":
    main()
