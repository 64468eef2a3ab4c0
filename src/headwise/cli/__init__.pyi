from .discovery import Analysis as Analysis
from .discovery import bindings as bindings
from .discovery import find_analysis as find_analysis
from .discovery import load_analysis as load_analysis
from .discovery import other_pairs as other_pairs
from .main import script as script
