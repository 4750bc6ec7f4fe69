"""The parts of examples/python/fbnet_supernet.py: a search for an architecture, from images to an exported network.

``images`` what is learnt; ``workers`` one process or several; ``seeds`` every random choice; ``run_folder`` the files;
``checkpoint`` from where it goes on; ``progress`` what is seen; ``latency`` the price of candidates, from a table; ``search``,
``choice``, ``retraining`` the three steps.
"""
